CREATE TABLE "dnssec_rollovers" (
	"apex" text collate "C" PRIMARY KEY NOT NULL,
	"goal" text NOT NULL,
	"step" text NOT NULL,
	"entry" boolean NOT NULL,
	"data" boolean NOT NULL,
	"algorithm" boolean NOT NULL,
	"reverting" boolean NOT NULL,
	"confirmed" boolean NOT NULL,
	"started_at" timestamp (3) with time zone NOT NULL,
	"step_since" timestamp (3) with time zone NOT NULL,
	"counted_from" timestamp (3) with time zone,
	"parent_ttl_seconds" bigint,
	"parent_says" text,
	"revision" bigint NOT NULL,
	CONSTRAINT "dnssec_rollovers_goal_check" CHECK ("dnssec_rollovers"."goal" in ('keys', 'unsigned')),
	CONSTRAINT "dnssec_rollovers_step_check" CHECK ("dnssec_rollovers"."step" in ('presign', 'publish', 'parent', 'ds-out', 'switch', 'unpublish'))
);
--> statement-breakpoint
ALTER TABLE "dnssec_keys" DROP CONSTRAINT "dnssec_keys_state_check";--> statement-breakpoint
ALTER TABLE "events" DROP CONSTRAINT "events_shape_check";--> statement-breakpoint
ALTER TABLE "webhooks" DROP CONSTRAINT "webhooks_kinds_check";--> statement-breakpoint
ALTER TABLE "dnssec_keys" ADD COLUMN "role" text DEFAULT 'csk' NOT NULL;--> statement-breakpoint
ALTER TABLE "zones" ADD COLUMN "signing_keys" text DEFAULT 'csk' NOT NULL;--> statement-breakpoint
ALTER TABLE "zones" ADD COLUMN "signing_max_ttl_seconds" integer DEFAULT 259200 NOT NULL;--> statement-breakpoint
ALTER TABLE "zones" ADD COLUMN "signing_propagation_seconds" integer DEFAULT 3600 NOT NULL;--> statement-breakpoint
ALTER TABLE "zones" ADD COLUMN "signing_parent_servers" text[] DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE "zones" ADD COLUMN "signing_foreign_keys" text[] DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE "zones" ADD COLUMN "cached_until" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "dnssec_rollovers" ADD CONSTRAINT "dnssec_rollovers_apex_zones_apex_fk" FOREIGN KEY ("apex") REFERENCES "public"."zones"("apex") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "dnssec_keys" ADD CONSTRAINT "dnssec_keys_role_check" CHECK ("dnssec_keys"."role" in ('csk', 'ksk', 'zsk'));--> statement-breakpoint
ALTER TABLE "dnssec_keys" ADD CONSTRAINT "dnssec_keys_state_check" CHECK ("dnssec_keys"."state" in ('active', 'incoming', 'outgoing', 'retired'));--> statement-breakpoint
ALTER TABLE "events" ADD CONSTRAINT "events_shape_check" CHECK (case "events"."kind" when 'member' then "events"."pool" is not null and "events"."member" is not null and "events"."from_state" is not null and "events"."from_state" in ('up', 'down', 'unknown') and "events"."to_state" is not null and "events"."to_state" in ('up', 'down', 'unknown') and "events"."reason" is not null when 'pool' then "events"."pool" is not null and "events"."from_state" is not null and "events"."from_state" in ('healthy', 'degraded', 'down') and "events"."to_state" is not null and "events"."to_state" in ('healthy', 'degraded', 'down') and "events"."reason" is not null when 'override' then (("events"."pool" is not null and "events"."member" is not null) or "events"."service" is not null) and "events"."reason" is not null and coalesce("events"."detail" ->> 'what', '') in ('set', 'changed', 'deleted', 'expired') and coalesce("events"."detail" ->> 'state', '') in ('up', 'down', 'drain') and "events"."detail" ? 'actor' when 'drained' then "events"."pool" is not null and "events"."member" is not null when 'isolation' then "events"."from_state" is not null and "events"."from_state" in ('trusted', 'suspect') and "events"."to_state" is not null and "events"."to_state" in ('trusted', 'suspect') and "events"."reason" is not null when 'hold' then "events"."pool" is not null and "events"."member" is not null and "events"."reason" is not null and "events"."detail" ? 'until' when 'service' then "events"."service" is not null and "events"."from_state" is not null and "events"."from_state" in ('up', 'degraded', 'down') and "events"."to_state" is not null and "events"."to_state" in ('up', 'degraded', 'down') and "events"."reason" is not null and "events"."detail" ?& array['pools', 'before'] when 'certificate' then "events"."pool" is not null and "events"."member" is not null and "events"."reason" is not null and coalesce("events"."detail" ->> 'what', '') in ('ends-soon', 'renewed') and "events"."detail" ?& array['name', 'notAfter', 'fingerprint'] when 'gradual' then "events"."reason" is not null and coalesce("events"."detail" ->> 'what', '') in ('started', 'step', 'paused', 'resumed', 'done', 'returned', 'halted') and "events"."detail" ?& array['change', 'percent', 'services', 'pools', 'actor'] when 'feed' then "events"."detail" ? 'feed' and "events"."from_state" is not null and "events"."from_state" in ('ok', 'failing') and "events"."to_state" is not null and "events"."to_state" in ('ok', 'failing') and "events"."reason" is not null when 'steering' then "events"."pool" is not null and "events"."reason" is not null and coalesce("events"."detail" ->> 'what', '') in ('stale', 'fresh', 'shedding', 'shed-over', 'full', 'full-over') and "events"."detail" ?& array['feed', 'entity', 'column'] when 'dnssec' then "events"."reason" is not null and coalesce("events"."detail" ->> 'what', '') in ('begun', 'step', 'done', 'cancelled') and "events"."detail" ? 'zone' else false end);--> statement-breakpoint
ALTER TABLE "webhooks" ADD CONSTRAINT "webhooks_kinds_check" CHECK (cardinality("webhooks"."kinds") >= 1 and "webhooks"."kinds" <@ array['member', 'pool', 'override', 'drained', 'isolation', 'hold', 'service', 'certificate', 'gradual', 'feed', 'steering', 'dnssec']);--> statement-breakpoint
ALTER TABLE "zones" ADD CONSTRAINT "zones_signing_keys_check" CHECK ("zones"."signing_keys" in ('csk', 'split'));--> statement-breakpoint
ALTER TABLE "zones" ADD CONSTRAINT "zones_signing_times_check" CHECK ("zones"."signing_max_ttl_seconds" > 0 and "zones"."signing_propagation_seconds" > 0);