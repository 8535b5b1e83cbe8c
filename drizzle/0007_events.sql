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
CREATE INDEX "events_member_index" ON "events" USING btree ("pool","member","id");--> statement-breakpoint
CREATE INDEX "events_kind_index" ON "events" USING btree ("kind","id");--> statement-breakpoint
CREATE INDEX "events_node_index" ON "events" USING btree ("node","id");--> statement-breakpoint
CREATE INDEX "events_at_index" ON "events" USING btree ("at");--> statement-breakpoint
ALTER TABLE "changes" ADD CONSTRAINT "changes_kind_check" CHECK ("changes"."kind" in ('zone', 'monitor', 'pool', 'service', 'override', 'webhook'));