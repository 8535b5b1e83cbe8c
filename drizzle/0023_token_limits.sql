ALTER TABLE "tokens" DROP CONSTRAINT "tokens_scopes_check";--> statement-breakpoint
ALTER TABLE "tokens" ADD COLUMN "rights" text[];--> statement-breakpoint
ALTER TABLE "tokens" ADD COLUMN "limits" json;--> statement-breakpoint
ALTER TABLE "tokens" ADD COLUMN "expires_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "tokens" ADD COLUMN "description" text;--> statement-breakpoint
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_rights_check" CHECK (cardinality("tokens"."rights") >= 1 and "tokens"."rights" <@ array['read', 'write', 'override', 'report']);--> statement-breakpoint
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_held_back_check" CHECK (("tokens"."limits" is null and "tokens"."expires_at" is null) or ("tokens"."rights" is not null and "tokens"."scopes" = array['limited']));--> statement-breakpoint
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_scopes_check" CHECK (cardinality("tokens"."scopes") >= 1 and "tokens"."scopes" <@ array['read', 'write', 'override', 'report', 'limited']);