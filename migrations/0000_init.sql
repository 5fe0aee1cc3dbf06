CREATE TABLE "batch_items" (
	"batch_id" uuid NOT NULL,
	"item_id" text NOT NULL,
	"workflow" text NOT NULL,
	"scope" text NOT NULL,
	"page" integer NOT NULL,
	"version" text NOT NULL,
	"status" text NOT NULL,
	"attempt" integer DEFAULT 1 NOT NULL,
	"claims" integer DEFAULT 0 NOT NULL,
	"token" uuid,
	"lease_until" timestamp with time zone,
	"error" jsonb,
	"input_tokens" integer DEFAULT 0 NOT NULL,
	"output_tokens" integer DEFAULT 0 NOT NULL,
	"started_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	CONSTRAINT "batch_items_batch_id_item_id_pk" PRIMARY KEY("batch_id","item_id")
);
--> statement-breakpoint
CREATE TABLE "batch_pages" (
	"batch_id" uuid NOT NULL,
	"number" integer NOT NULL,
	"last_id" text,
	"skipped" integer NOT NULL,
	"recorded_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "batch_pages_batch_id_number_pk" PRIMARY KEY("batch_id","number")
);
--> statement-breakpoint
CREATE TABLE "batches" (
	"id" uuid PRIMARY KEY NOT NULL,
	"workflow" text NOT NULL,
	"scope" text NOT NULL,
	"status" text NOT NULL,
	"reason" text,
	"start_key" text NOT NULL,
	"started_by" text NOT NULL,
	"params" jsonb NOT NULL,
	"force" boolean NOT NULL,
	"item_limit" integer,
	"max_outstanding" integer NOT NULL,
	"plan_id" uuid,
	"attempt" integer DEFAULT 1 NOT NULL,
	"pages" integer DEFAULT 0 NOT NULL,
	"exhausted" boolean DEFAULT false NOT NULL,
	"awaiting_room" boolean DEFAULT false NOT NULL,
	"recorded" integer DEFAULT 0 NOT NULL,
	"succeeded" integer DEFAULT 0 NOT NULL,
	"skipped" integer DEFAULT 0 NOT NULL,
	"failed" integer DEFAULT 0 NOT NULL,
	"cancelled" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	CONSTRAINT "batches_start_key_unique" UNIQUE("start_key"),
	CONSTRAINT "batches_balance" CHECK (recorded >= succeeded + skipped + failed + cancelled)
);
--> statement-breakpoint
CREATE TABLE "plans" (
	"id" uuid PRIMARY KEY NOT NULL,
	"key" text NOT NULL,
	"workflow" text NOT NULL,
	"params" jsonb NOT NULL,
	"force" boolean NOT NULL,
	"item_limit" integer,
	"total_eligible" integer NOT NULL,
	"already_processed" integer NOT NULL,
	"held" integer NOT NULL,
	"to_process" integer NOT NULL,
	"sample" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "plans_key_unique" UNIQUE("key")
);
--> statement-breakpoint
CREATE TABLE "results" (
	"workflow" text NOT NULL,
	"scope" text NOT NULL,
	"item_id" text NOT NULL,
	"version" text NOT NULL,
	"data" jsonb NOT NULL,
	"model" text,
	"input_tokens" integer NOT NULL,
	"output_tokens" integer NOT NULL,
	"batch_id" uuid NOT NULL,
	"generated_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone,
	CONSTRAINT "results_workflow_scope_item_id_pk" PRIMARY KEY("workflow","scope","item_id")
);
--> statement-breakpoint
CREATE TABLE "agents" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"locale" text DEFAULT 'en-US' NOT NULL,
	"title" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"tags" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"avatar" text,
	"system_role" text DEFAULT '' NOT NULL,
	"opening_message" text,
	"opening_questions" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"virtual" boolean DEFAULT false NOT NULL,
	"visibility" text DEFAULT 'private' NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "subscriptions" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"plan" text NOT NULL,
	"status" text NOT NULL,
	"current_period_end" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "topics" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"title" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "users" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"email" text NOT NULL,
	"locale" text DEFAULT 'en-US' NOT NULL,
	"interests" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"status" text DEFAULT 'active' NOT NULL,
	"last_active_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "batch_items" ADD CONSTRAINT "batch_items_batch_id_batches_id_fk" FOREIGN KEY ("batch_id") REFERENCES "public"."batches"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "batch_pages" ADD CONSTRAINT "batch_pages_batch_id_batches_id_fk" FOREIGN KEY ("batch_id") REFERENCES "public"."batches"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "batches" ADD CONSTRAINT "batches_plan_id_plans_id_fk" FOREIGN KEY ("plan_id") REFERENCES "public"."plans"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "agents" ADD CONSTRAINT "agents_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "subscriptions" ADD CONSTRAINT "subscriptions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "topics" ADD CONSTRAINT "topics_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "batch_items_one_unfinished" ON "batch_items" USING btree ("workflow","scope","item_id") WHERE status in ('queued', 'running', 'waiting');--> statement-breakpoint
CREATE INDEX "batch_items_status" ON "batch_items" USING btree ("batch_id","status","item_id");--> statement-breakpoint
CREATE INDEX "batch_items_queued" ON "batch_items" USING btree ("batch_id","page") WHERE status = 'queued';--> statement-breakpoint
CREATE UNIQUE INDEX "batches_one_active" ON "batches" USING btree ("workflow") WHERE status in ('starting', 'running', 'paused');--> statement-breakpoint
CREATE INDEX "batches_workflow" ON "batches" USING btree ("workflow","id");--> statement-breakpoint
CREATE INDEX "plans_workflow" ON "plans" USING btree ("workflow","id");--> statement-breakpoint
CREATE INDEX "agents_user" ON "agents" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "subscriptions_user" ON "subscriptions" USING btree ("user_id","status");--> statement-breakpoint
CREATE INDEX "topics_user_recent" ON "topics" USING btree ("user_id","created_at" DESC NULLS LAST,"id" DESC NULLS LAST);