ALTER TABLE "zones" ADD COLUMN "signing_denial" text;--> statement-breakpoint
ALTER TABLE "zones" ADD CONSTRAINT "zones_signing_denial_check" CHECK ("zones"."signing_denial" = 'nsec3');