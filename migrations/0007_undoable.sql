ALTER TABLE "item_steps" ADD COLUMN "undoable" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "item_steps" ADD COLUMN "answer_to" text;