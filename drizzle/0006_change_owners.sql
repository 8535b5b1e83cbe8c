ALTER TABLE "changes" ADD COLUMN "owners" text[];--> statement-breakpoint
ALTER TABLE "changes" ADD COLUMN "stamp" text;