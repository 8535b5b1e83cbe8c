ALTER TABLE "overrides" DROP CONSTRAINT "overrides_member_fkey";
--> statement-breakpoint
CREATE INDEX "overrides_patterns_index" ON "overrides" USING btree ("pool","member") WHERE ("overrides"."pool" ~ '[*?]' or "overrides"."member" ~ '[*?]');--> statement-breakpoint
ALTER TABLE "overrides" ADD CONSTRAINT "overrides_pool_check" CHECK ("overrides"."pool" = lower("overrides"."pool") and "overrides"."pool" !~ '[[:space:][:cntrl:]/]' and octet_length("overrides"."pool") between 1 and 255);--> statement-breakpoint
ALTER TABLE "overrides" ADD CONSTRAINT "overrides_member_check" CHECK ("overrides"."member" = lower("overrides"."member") and "overrides"."member" !~ '[[:space:][:cntrl:]/]' and octet_length("overrides"."member") between 1 and 255);