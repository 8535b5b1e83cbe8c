CREATE TABLE "events" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "events_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"kind" text NOT NULL,
	"node" text collate "C" NOT NULL,
	"pool" text collate "C",
	"member" text collate "C",
	"from_state" text,
	"to_state" text,
	"reason" text,
	"detail" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "events_shape_check" CHECK (case "events"."kind" when 'member' then "events"."pool" is not null and "events"."member" is not null and "events"."from_state" is not null and "events"."from_state" in ('up', 'down', 'unknown') and "events"."to_state" is not null and "events"."to_state" in ('up', 'down', 'unknown') and "events"."reason" is not null when 'pool' then "events"."pool" is not null and "events"."from_state" is not null and "events"."from_state" in ('healthy', 'degraded', 'down') and "events"."to_state" is not null and "events"."to_state" in ('healthy', 'degraded', 'down') and "events"."reason" is not null when 'override' then "events"."pool" is not null and "events"."member" is not null and "events"."reason" is not null and coalesce("events"."detail" ->> 'what', '') in ('set', 'changed', 'deleted', 'expired') and coalesce("events"."detail" ->> 'state', '') in ('up', 'down', 'drain') and "events"."detail" ? 'actor' when 'drained' then "events"."pool" is not null and "events"."member" is not null when 'isolation' then "events"."from_state" is not null and "events"."from_state" in ('trusted', 'suspect') and "events"."to_state" is not null and "events"."to_state" in ('trusted', 'suspect') and "events"."reason" is not null when 'hold' then "events"."pool" is not null and "events"."member" is not null and "events"."reason" is not null and "events"."detail" ? 'until' else false end)
);
--> statement-breakpoint
CREATE TABLE "nodes" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"name" text,
	"version" text NOT NULL,
	"started_at" timestamp (3) with time zone NOT NULL,
	"seen_at" timestamp (3) with time zone NOT NULL,
	"revision" bigint NOT NULL,
	"suspect" boolean NOT NULL,
	"verdicts" jsonb NOT NULL,
	"verdicts_version" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "reports" (
	"pool" text collate "C" NOT NULL,
	"member" text collate "C" NOT NULL,
	"state" text NOT NULL,
	"reason" text NOT NULL,
	"weight_percent" integer,
	"at" timestamp (3) with time zone NOT NULL,
	"until" timestamp (3) with time zone NOT NULL,
	"stored_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "reports_pkey" PRIMARY KEY("pool","member"),
	CONSTRAINT "reports_state_check" CHECK ("reports"."state" in ('up', 'down')),
	CONSTRAINT "reports_weight_percent_check" CHECK ("reports"."weight_percent" between 0 and 100)
);
--> statement-breakpoint
CREATE TABLE "monitor_parts" (
	"composite" text collate "C" NOT NULL,
	"monitor" text collate "C" NOT NULL,
	CONSTRAINT "monitor_parts_pkey" PRIMARY KEY("composite","monitor")
);
--> statement-breakpoint
CREATE TABLE "webhooks" (
	"name" text collate "C" PRIMARY KEY NOT NULL,
	"url" text NOT NULL,
	"secret" text NOT NULL,
	"kinds" text[],
	"pools" text[],
	"timeout_ms" integer NOT NULL,
	"revision" bigint NOT NULL,
	CONSTRAINT "webhooks_name_check" CHECK ("webhooks"."name" = lower("webhooks"."name") and "webhooks"."name" !~ '[[:space:][:cntrl:]/]' and octet_length("webhooks"."name") between 1 and 255),
	CONSTRAINT "webhooks_url_check" CHECK ("webhooks"."url" ~ '^https?://'),
	CONSTRAINT "webhooks_secret_check" CHECK (left("webhooks"."secret", 6) = 'whsec_'),
	CONSTRAINT "webhooks_kinds_check" CHECK (cardinality("webhooks"."kinds") >= 1 and "webhooks"."kinds" <@ array['member', 'pool', 'override', 'drained', 'isolation', 'hold']),
	CONSTRAINT "webhooks_pools_check" CHECK (cardinality("webhooks"."pools") >= 1),
	CONSTRAINT "webhooks_timeout_check" CHECK ("webhooks"."timeout_ms" > 0)
);
--> statement-breakpoint
ALTER TABLE "changes" DROP CONSTRAINT "changes_kind_check";--> statement-breakpoint
ALTER TABLE "tokens" DROP CONSTRAINT "tokens_scopes_check";--> statement-breakpoint
ALTER TABLE "monitors" DROP CONSTRAINT "monitors_method_check";--> statement-breakpoint
ALTER TABLE "monitors" DROP CONSTRAINT "monitors_port_check";--> statement-breakpoint
ALTER TABLE "monitors" DROP CONSTRAINT "monitors_path_check";--> statement-breakpoint
ALTER TABLE "monitors" DROP CONSTRAINT "monitors_expect_codes_check";--> statement-breakpoint
ALTER TABLE "monitors" DROP CONSTRAINT "monitors_follow_redirects_check";--> statement-breakpoint
ALTER TABLE "monitors" DROP CONSTRAINT "monitors_interval_check";--> statement-breakpoint
ALTER TABLE "monitors" DROP CONSTRAINT "monitors_timeout_check";--> statement-breakpoint
ALTER TABLE "monitors" DROP CONSTRAINT "monitors_rise_check";--> statement-breakpoint
ALTER TABLE "monitors" DROP CONSTRAINT "monitors_fall_check";--> statement-breakpoint
ALTER TABLE "monitors" DROP CONSTRAINT "monitors_type_check";--> statement-breakpoint
ALTER TABLE "pools" DROP CONSTRAINT "pools_select_check";--> statement-breakpoint
ALTER TABLE "services" DROP CONSTRAINT "services_steer_check";--> statement-breakpoint
ALTER TABLE "overrides" DROP CONSTRAINT "overrides_member_fkey";
--> statement-breakpoint
ALTER TABLE "service_pools" ALTER COLUMN "pool" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "members" ADD COLUMN "priority" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "monitors" ADD COLUMN "settings" jsonb DEFAULT '{}'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "pools" ADD COLUMN "fallback" text collate "C";--> statement-breakpoint
ALTER TABLE "pools" ADD COLUMN "settings" jsonb DEFAULT '{}'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "service_pools" ADD COLUMN "nested" text collate "C";--> statement-breakpoint
ALTER TABLE "service_pools" ADD COLUMN "weight" integer DEFAULT 100 NOT NULL;--> statement-breakpoint
ALTER TABLE "service_pools" ADD COLUMN "bias" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "service_pools" ADD COLUMN "latitude" double precision;--> statement-breakpoint
ALTER TABLE "service_pools" ADD COLUMN "longitude" double precision;--> statement-breakpoint
ALTER TABLE "services" ADD COLUMN "min_ttl_seconds" integer;--> statement-breakpoint
ALTER TABLE "services" ADD COLUMN "settings" jsonb DEFAULT '{}'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "monitor_parts" ADD CONSTRAINT "monitor_parts_composite_monitors_name_fk" FOREIGN KEY ("composite") REFERENCES "public"."monitors"("name") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "monitor_parts" ADD CONSTRAINT "monitor_parts_monitor_monitors_name_fk" FOREIGN KEY ("monitor") REFERENCES "public"."monitors"("name") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "events_member_index" ON "events" USING btree ("pool","member","id");--> statement-breakpoint
CREATE INDEX "events_kind_index" ON "events" USING btree ("kind","id");--> statement-breakpoint
CREATE INDEX "events_node_index" ON "events" USING btree ("node","id");--> statement-breakpoint
CREATE INDEX "events_at_index" ON "events" USING btree ("at");--> statement-breakpoint
CREATE INDEX "reports_stored_at_index" ON "reports" USING btree ("stored_at");--> statement-breakpoint
CREATE INDEX "monitor_parts_monitor_index" ON "monitor_parts" USING btree ("monitor");--> statement-breakpoint
ALTER TABLE "pools" ADD CONSTRAINT "pools_fallback_pools_name_fk" FOREIGN KEY ("fallback") REFERENCES "public"."pools"("name") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "service_pools" ADD CONSTRAINT "service_pools_nested_services_name_fk" FOREIGN KEY ("nested") REFERENCES "public"."services"("name") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "overrides_patterns_index" ON "overrides" USING btree ("pool","member") WHERE ("overrides"."pool" ~ '[*?]' or "overrides"."member" ~ '[*?]');--> statement-breakpoint
CREATE INDEX "pools_fallback_index" ON "pools" USING btree ("fallback");--> statement-breakpoint
CREATE INDEX "service_pools_nested_index" ON "service_pools" USING btree ("nested");--> statement-breakpoint
ALTER TABLE "service_pools" ADD CONSTRAINT "service_pools_service_nested_unique" UNIQUE("service","nested");--> statement-breakpoint
ALTER TABLE "overrides" ADD CONSTRAINT "overrides_pool_check" CHECK ("overrides"."pool" = lower("overrides"."pool") and "overrides"."pool" !~ '[[:space:][:cntrl:]/]' and octet_length("overrides"."pool") between 1 and 255);--> statement-breakpoint
ALTER TABLE "overrides" ADD CONSTRAINT "overrides_member_check" CHECK ("overrides"."member" = lower("overrides"."member") and "overrides"."member" !~ '[[:space:][:cntrl:]/]' and octet_length("overrides"."member") between 1 and 255);--> statement-breakpoint
ALTER TABLE "changes" ADD CONSTRAINT "changes_kind_check" CHECK ("changes"."kind" in ('zone', 'monitor', 'pool', 'service', 'override', 'webhook', 'fail-back'));--> statement-breakpoint
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_scopes_check" CHECK (cardinality("tokens"."scopes") >= 1 and "tokens"."scopes" <@ array['read', 'write', 'report']);--> statement-breakpoint
ALTER TABLE "members" ADD CONSTRAINT "members_priority_check" CHECK ("members"."priority" between 1 and 1000);--> statement-breakpoint
ALTER TABLE "monitors" ADD CONSTRAINT "monitors_settings_check" CHECK (jsonb_typeof("monitors"."settings") = 'object');--> statement-breakpoint
ALTER TABLE "monitors" ADD CONSTRAINT "monitors_type_check" CHECK ("monitors"."type" in ('http', 'https', 'tcp', 'dns', 'grpc', 'push', 'static', 'composite'));--> statement-breakpoint
ALTER TABLE "pools" ADD CONSTRAINT "pools_settings_check" CHECK (jsonb_typeof("pools"."settings") = 'object');--> statement-breakpoint
ALTER TABLE "pools" ADD CONSTRAINT "pools_fallback_check" CHECK ("pools"."fallback" <> "pools"."name");--> statement-breakpoint
ALTER TABLE "pools" ADD CONSTRAINT "pools_when_all_down_check" CHECK (("pools"."settings" ->> 'whenAllDown' is not distinct from 'fallback') = ("pools"."fallback" is not null));--> statement-breakpoint
ALTER TABLE "pools" ADD CONSTRAINT "pools_select_check" CHECK ("pools"."select" in ('all', 'weighted', 'failover', 'hash'));--> statement-breakpoint
ALTER TABLE "service_pools" ADD CONSTRAINT "service_pools_pool_or_nested_check" CHECK (("service_pools"."pool" is null) <> ("service_pools"."nested" is null));--> statement-breakpoint
ALTER TABLE "service_pools" ADD CONSTRAINT "service_pools_weight_check" CHECK ("service_pools"."weight" between 0 and 65535);--> statement-breakpoint
ALTER TABLE "service_pools" ADD CONSTRAINT "service_pools_bias_check" CHECK ("service_pools"."bias" between -99 and 99);--> statement-breakpoint
ALTER TABLE "service_pools" ADD CONSTRAINT "service_pools_latitude_check" CHECK ("service_pools"."latitude" between -90 and 90);--> statement-breakpoint
ALTER TABLE "service_pools" ADD CONSTRAINT "service_pools_longitude_check" CHECK ("service_pools"."longitude" between -180 and 180);--> statement-breakpoint
ALTER TABLE "service_pools" ADD CONSTRAINT "service_pools_location_check" CHECK (("service_pools"."latitude" is null) = ("service_pools"."longitude" is null));--> statement-breakpoint
ALTER TABLE "services" ADD CONSTRAINT "services_min_ttl_check" CHECK ("services"."min_ttl_seconds" between 0 and "services"."ttl_seconds");--> statement-breakpoint
ALTER TABLE "services" ADD CONSTRAINT "services_settings_check" CHECK (jsonb_typeof("services"."settings") = 'object');--> statement-breakpoint
ALTER TABLE "services" ADD CONSTRAINT "services_steer_check" CHECK ("services"."steer" in ('failover', 'weighted', 'hash', 'geo', 'nearest', 'latency'));