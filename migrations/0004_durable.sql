CREATE TABLE "approvals" (
	"id" text PRIMARY KEY NOT NULL,
	"workflow" text NOT NULL,
	"item_id" text NOT NULL,
	"event" text NOT NULL,
	"subject" text NOT NULL,
	"details" jsonb NOT NULL,
	"status" text DEFAULT 'pending' NOT NULL,
	"decided_by" text,
	"reason" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"decided_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "grants" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"kind" text NOT NULL,
	"amount" integer NOT NULL,
	"granted_at" timestamp with time zone DEFAULT now() NOT NULL,
	"revoked_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "upgrades" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"plan" text NOT NULL,
	"amount" integer NOT NULL,
	"currency" text NOT NULL,
	"customer" text NOT NULL,
	"payment_method" text NOT NULL,
	"status" text DEFAULT 'requested' NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "item_steps" (
	"batch_id" uuid NOT NULL,
	"item_id" text NOT NULL,
	"name" text NOT NULL,
	"kind" text NOT NULL,
	"status" text NOT NULL,
	"attempt" integer NOT NULL,
	"round" integer DEFAULT 1 NOT NULL,
	"tries" integer DEFAULT 0 NOT NULL,
	"token" uuid,
	"lease_until" timestamp with time zone,
	"until" timestamp with time zone,
	"result" jsonb,
	"error" jsonb,
	"uncertain" boolean DEFAULT false NOT NULL,
	"acted" boolean DEFAULT false NOT NULL,
	"work_ms" integer DEFAULT 0 NOT NULL,
	"position" bigint GENERATED ALWAYS AS IDENTITY (sequence name "item_steps_position_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone,
	"undone_at" timestamp with time zone,
	CONSTRAINT "item_steps_batch_id_item_id_name_pk" PRIMARY KEY("batch_id","item_id","name")
);
--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "completion" text DEFAULT 'ended' NOT NULL;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "waiting" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "batch_items" ADD COLUMN "handler" integer;--> statement-breakpoint
ALTER TABLE "batch_items" ADD COLUMN "waiting_for" text;--> statement-breakpoint
ALTER TABLE "batch_items" ADD COLUMN "waiting_until" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "batch_items" ADD COLUMN "invokers" jsonb DEFAULT '[]'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "batch_items" ADD COLUMN "acted" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "batch_items" ADD COLUMN "undoing" text;--> statement-breakpoint
ALTER TABLE "agents" ADD COLUMN "review" text DEFAULT 'none' NOT NULL;--> statement-breakpoint
ALTER TABLE "grants" ADD CONSTRAINT "grants_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "upgrades" ADD CONSTRAINT "upgrades_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "item_steps" ADD CONSTRAINT "item_steps_batch_id_item_id_batch_items_batch_id_item_id_fk" FOREIGN KEY ("batch_id","item_id") REFERENCES "public"."batch_items"("batch_id","item_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "approvals_status" ON "approvals" USING btree ("status","created_at","id");--> statement-breakpoint
CREATE INDEX "grants_user" ON "grants" USING btree ("user_id","kind");--> statement-breakpoint
CREATE INDEX "upgrades_requested" ON "upgrades" USING btree ("id") WHERE status = 'requested';--> statement-breakpoint
CREATE INDEX "batch_items_acted" ON "batch_items" USING btree ("workflow","scope","item_id") WHERE acted;--> statement-breakpoint
CREATE INDEX "agents_submitted" ON "agents" USING btree ("id") WHERE review = 'submitted';