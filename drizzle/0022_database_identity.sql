ALTER TABLE "nodes" ADD COLUMN "stamp" text;--> statement-breakpoint
ALTER TABLE "config_revision" ADD COLUMN "database_id" text DEFAULT gen_random_uuid()::text NOT NULL;--> statement-breakpoint
ALTER TABLE "config_revision" ADD COLUMN "replaces" text[] DEFAULT '{}' NOT NULL;