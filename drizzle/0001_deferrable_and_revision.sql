ALTER TABLE "members" ADD CONSTRAINT "members_pool_address_unique" UNIQUE ("pool", "address") DEFERRABLE INITIALLY IMMEDIATE;
--> statement-breakpoint
INSERT INTO "config_revision" ("id", "revision") VALUES (true, 0);
