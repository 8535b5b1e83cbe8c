ALTER TABLE "members" ALTER COLUMN "address" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "members" ADD COLUMN "host" text collate "C";--> statement-breakpoint
ALTER TABLE "pools" ADD COLUMN "hosts" text DEFAULT 'resolve' NOT NULL;--> statement-breakpoint
ALTER TABLE "members" ADD CONSTRAINT "members_host_check" CHECK ("members"."host" ~ '^([a-z0-9_-]{1,63}[.])+$' and octet_length("members"."host") <= 254);--> statement-breakpoint
ALTER TABLE "members" ADD CONSTRAINT "members_address_or_host_check" CHECK (("members"."address" is null) <> ("members"."host" is null));--> statement-breakpoint
ALTER TABLE "pools" ADD CONSTRAINT "pools_hosts_check" CHECK ("pools"."hosts" in ('resolve', 'cname'));--> statement-breakpoint
ALTER TABLE "members" ADD CONSTRAINT "members_pool_host_unique" UNIQUE ("pool", "host") DEFERRABLE INITIALLY IMMEDIATE;
