DROP INDEX "batch_items_failed";--> statement-breakpoint
CREATE INDEX "changes_workflow" ON "changes" USING btree ("workflow","id");--> statement-breakpoint
CREATE INDEX "changes_actor" ON "changes" USING btree ("actor","id");--> statement-breakpoint
CREATE INDEX "batch_items_failed" ON "batch_items" USING btree ("batch_id","fingerprint","item_id") WHERE fingerprint is not null;