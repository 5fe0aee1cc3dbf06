CREATE TABLE "changes" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "changes_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	"actor" text NOT NULL,
	"action" text NOT NULL,
	"workflow" text,
	"batch_id" uuid,
	"reason" text,
	"before" jsonb,
	"after" jsonb,
	"key" text,
	CONSTRAINT "changes_key_unique" UNIQUE("key")
);
--> statement-breakpoint
CREATE TABLE "kill_switches" (
	"workflow" text PRIMARY KEY NOT NULL,
	"actor" text NOT NULL,
	"reason" text,
	"at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "sample_items" (
	"sample_id" uuid NOT NULL,
	"item_id" text NOT NULL,
	"version" text NOT NULL,
	"status" text NOT NULL,
	"lease_until" timestamp with time zone,
	"input" jsonb NOT NULL,
	"output" jsonb,
	"error" jsonb,
	"model" text,
	"input_tokens" integer NOT NULL,
	"output_tokens" integer NOT NULL,
	"work_ms" integer NOT NULL,
	CONSTRAINT "sample_items_sample_id_item_id_pk" PRIMARY KEY("sample_id","item_id")
);
--> statement-breakpoint
CREATE TABLE "samples" (
	"id" uuid PRIMARY KEY NOT NULL,
	"key" text NOT NULL,
	"workflow" text NOT NULL,
	"scope" text NOT NULL,
	"params" jsonb NOT NULL,
	"force" boolean NOT NULL,
	"options" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "samples_key_unique" UNIQUE("key")
);
--> statement-breakpoint
CREATE TABLE "tokens" (
	"name" text PRIMARY KEY NOT NULL,
	"role" text NOT NULL,
	"hash" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "tokens_hash_unique" UNIQUE("hash")
);
--> statement-breakpoint
ALTER TABLE "batches" DROP CONSTRAINT "batches_balance";--> statement-breakpoint
ALTER TABLE "batch_items" ADD COLUMN "fingerprint" text;--> statement-breakpoint
ALTER TABLE "batch_items" ADD COLUMN "retry" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "batch_items" ADD COLUMN "queued_at" timestamp with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
ALTER TABLE "batch_items" ADD COLUMN "work_ms" integer;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "paused_by" text;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "options" jsonb DEFAULT '{}'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "parallelism" integer DEFAULT 10 NOT NULL;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "rate" integer DEFAULT 5 NOT NULL;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "throttled_rate" integer;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "throttled_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "budget" jsonb;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "tolerate" jsonb;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "canary" jsonb;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "canary_items" integer;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "canary_verdict" text;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "input_usd_per_million" double precision;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "output_usd_per_million" double precision;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "start_plan_id" uuid;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "sample_id" uuid;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "running" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "retrying" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "duplicates" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "input_tokens" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "output_tokens" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "work_ms" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "item_tokens" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "item_usd" double precision DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "recent" text[] DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE "plans" ADD COLUMN "hash" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "plans" ADD COLUMN "assumptions" jsonb DEFAULT '{"source":"unknown","inputTokens":null,"outputTokens":null,"seconds":null,"inputUsdPerMillion":null,"outputUsdPerMillion":null,"messagesPerUsd":100000,"messagesPerRun":2,"retries":0,"parallelism":10,"rate":5,"pageSize":50,"chunkSize":20}' NOT NULL;--> statement-breakpoint
ALTER TABLE "sample_items" ADD CONSTRAINT "sample_items_sample_id_samples_id_fk" FOREIGN KEY ("sample_id") REFERENCES "public"."samples"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "changes_batch" ON "changes" USING btree ("batch_id","id");--> statement-breakpoint
ALTER TABLE "batches" ADD CONSTRAINT "batches_start_plan_id_plans_id_fk" FOREIGN KEY ("start_plan_id") REFERENCES "public"."plans"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "batch_items_failed" ON "batch_items" USING btree ("batch_id","fingerprint") WHERE fingerprint is not null;--> statement-breakpoint
CREATE INDEX "batch_items_retry" ON "batch_items" USING btree ("batch_id","item_id") WHERE retry;--> statement-breakpoint
CREATE INDEX "batch_items_ended" ON "batch_items" USING btree ("batch_id","ended_at") WHERE ended_at is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "batches_one_queued" ON "batches" USING btree ("workflow") WHERE status = 'queued';--> statement-breakpoint
UPDATE "batches" b SET "running" = i.running, "input_tokens" = i.input_tokens, "output_tokens" = i.output_tokens FROM (SELECT "batch_id", count(*) FILTER (WHERE "status" = 'running') AS running, sum("input_tokens") AS input_tokens, sum("output_tokens") AS output_tokens FROM "batch_items" GROUP BY "batch_id") i WHERE i."batch_id" = b."id";--> statement-breakpoint
UPDATE "batches" SET "paused_by" = CASE WHEN "reason" IS NULL THEN 'operator' ELSE 'lost_run' END WHERE "status" = 'paused';--> statement-breakpoint
UPDATE "batch_items" SET "error" = "error" || '{"step":"run"}', "fingerprint" = CASE WHEN "status" IN ('failed', 'queued') THEN left(md5("error"->>'message'), 12) END WHERE "error" IS NOT NULL;--> statement-breakpoint
ALTER TABLE "batches" ALTER COLUMN "parallelism" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "batches" ALTER COLUMN "rate" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "batches" ALTER COLUMN "item_tokens" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "batches" ALTER COLUMN "item_usd" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "plans" ALTER COLUMN "hash" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "plans" ALTER COLUMN "assumptions" DROP DEFAULT;
