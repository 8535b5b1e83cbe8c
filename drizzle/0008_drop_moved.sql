UPDATE "monitors" SET "settings" = jsonb_strip_nulls(jsonb_build_object(
	'method', "method", 'port', "port", 'path', "path", 'host', "host",
	'expect', jsonb_build_object(
		'codes', (SELECT jsonb_agg(code ->> 'from' || '-' || (code ->> 'to') ORDER BY nth) FROM jsonb_array_elements("expect_codes") WITH ORDINALITY AS codes(code, nth)),
		'body', "expect_body"),
	'followRedirects', "follow_redirects", 'interval', "interval_ms" || 'ms', 'timeout', "timeout_ms" || 'ms', 'rise', "rise", 'fall', "fall"));--> statement-breakpoint
INSERT INTO "events" ("kind", "node", "pool", "member", "from_state", "to_state", "reason", "at")
SELECT 'member', 'unknown', "pool", "member", "from_state", "to_state", "reason", "at" FROM "health_events" ORDER BY "id";--> statement-breakpoint
DROP TABLE "health_events" CASCADE;--> statement-breakpoint
ALTER TABLE "monitors" DROP COLUMN "method";--> statement-breakpoint
ALTER TABLE "monitors" DROP COLUMN "port";--> statement-breakpoint
ALTER TABLE "monitors" DROP COLUMN "path";--> statement-breakpoint
ALTER TABLE "monitors" DROP COLUMN "host";--> statement-breakpoint
ALTER TABLE "monitors" DROP COLUMN "expect_codes";--> statement-breakpoint
ALTER TABLE "monitors" DROP COLUMN "expect_body";--> statement-breakpoint
ALTER TABLE "monitors" DROP COLUMN "follow_redirects";--> statement-breakpoint
ALTER TABLE "monitors" DROP COLUMN "interval_ms";--> statement-breakpoint
ALTER TABLE "monitors" DROP COLUMN "timeout_ms";--> statement-breakpoint
ALTER TABLE "monitors" DROP COLUMN "rise";--> statement-breakpoint
ALTER TABLE "monitors" DROP COLUMN "fall";--> statement-breakpoint
ALTER TABLE "pools" ALTER CONSTRAINT "pools_fallback_pools_name_fk" DEFERRABLE INITIALLY DEFERRED;
