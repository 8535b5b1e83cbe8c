ALTER TABLE "member_health" ADD COLUMN "addresses" jsonb;--> statement-breakpoint
ALTER TABLE "members" ADD COLUMN "more_addresses" "inet"[] DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE "members" ADD CONSTRAINT "members_more_addresses_check" CHECK (("members"."address" is not null or cardinality("members"."more_addresses") = 0) and cardinality("members"."more_addresses") < 16);