ALTER TABLE "batch_items" ADD COLUMN "renewals" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "item_steps" ADD COLUMN "undo_tries" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "item_steps" ADD COLUMN "undo_error" jsonb;--> statement-breakpoint
CREATE INDEX "batch_items_untold" ON "batch_items" USING btree ("batch_id","item_id") WHERE invokers <> '[]' and ended_at is not null;