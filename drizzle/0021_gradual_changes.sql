CREATE TABLE "gradual_changes" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "gradual_changes_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"phase" text NOT NULL,
	"step" integer NOT NULL,
	"steps" integer[] NOT NULL,
	"step_ms" bigint NOT NULL,
	"halt_when" text[] NOT NULL,
	"parts" json NOT NULL,
	"fragments" json NOT NULL,
	"actor" text NOT NULL,
	"message" text,
	"reason" text,
	"started_at" timestamp (3) with time zone NOT NULL,
	"due_at" timestamp (3) with time zone,
	"left_ms" bigint,
	"ended_at" timestamp (3) with time zone,
	"revision" bigint NOT NULL,
	"version" bigint NOT NULL,
	CONSTRAINT "gradual_changes_phase_check" CHECK ("gradual_changes"."phase" in ('running', 'paused', 'done', 'returned', 'halted')),
	CONSTRAINT "gradual_changes_halt_when_check" CHECK ("gradual_changes"."halt_when" <@ array['degraded', 'down', 'member-down']),
	CONSTRAINT "gradual_changes_step_check" CHECK ("gradual_changes"."step" between 1 and cardinality("gradual_changes"."steps") and "gradual_changes"."steps"[cardinality("gradual_changes"."steps")] = 100),
	CONSTRAINT "gradual_changes_times_check" CHECK (("gradual_changes"."phase" = 'running') = ("gradual_changes"."due_at" is not null))
);
--> statement-breakpoint
ALTER TABLE "events" DROP CONSTRAINT "events_shape_check";--> statement-breakpoint
ALTER TABLE "webhooks" DROP CONSTRAINT "webhooks_kinds_check";--> statement-breakpoint
CREATE INDEX "gradual_changes_ended_at_index" ON "gradual_changes" USING btree ("ended_at");--> statement-breakpoint
ALTER TABLE "events" ADD CONSTRAINT "events_shape_check" CHECK (case "events"."kind" when 'member' then "events"."pool" is not null and "events"."member" is not null and "events"."from_state" is not null and "events"."from_state" in ('up', 'down', 'unknown') and "events"."to_state" is not null and "events"."to_state" in ('up', 'down', 'unknown') and "events"."reason" is not null when 'pool' then "events"."pool" is not null and "events"."from_state" is not null and "events"."from_state" in ('healthy', 'degraded', 'down') and "events"."to_state" is not null and "events"."to_state" in ('healthy', 'degraded', 'down') and "events"."reason" is not null when 'override' then (("events"."pool" is not null and "events"."member" is not null) or "events"."service" is not null) and "events"."reason" is not null and coalesce("events"."detail" ->> 'what', '') in ('set', 'changed', 'deleted', 'expired') and coalesce("events"."detail" ->> 'state', '') in ('up', 'down', 'drain') and "events"."detail" ? 'actor' when 'drained' then "events"."pool" is not null and "events"."member" is not null when 'isolation' then "events"."from_state" is not null and "events"."from_state" in ('trusted', 'suspect') and "events"."to_state" is not null and "events"."to_state" in ('trusted', 'suspect') and "events"."reason" is not null when 'hold' then "events"."pool" is not null and "events"."member" is not null and "events"."reason" is not null and "events"."detail" ? 'until' when 'service' then "events"."service" is not null and "events"."from_state" is not null and "events"."from_state" in ('up', 'degraded', 'down') and "events"."to_state" is not null and "events"."to_state" in ('up', 'degraded', 'down') and "events"."reason" is not null and "events"."detail" ?& array['pools', 'before'] when 'certificate' then "events"."pool" is not null and "events"."member" is not null and "events"."reason" is not null and coalesce("events"."detail" ->> 'what', '') in ('ends-soon', 'renewed') and "events"."detail" ?& array['name', 'notAfter', 'fingerprint'] when 'gradual' then "events"."reason" is not null and coalesce("events"."detail" ->> 'what', '') in ('started', 'step', 'paused', 'resumed', 'done', 'returned', 'halted') and "events"."detail" ?& array['change', 'percent', 'services', 'pools', 'actor'] else false end);--> statement-breakpoint
ALTER TABLE "webhooks" ADD CONSTRAINT "webhooks_kinds_check" CHECK (cardinality("webhooks"."kinds") >= 1 and "webhooks"."kinds" <@ array['member', 'pool', 'override', 'drained', 'isolation', 'hold', 'service', 'certificate', 'gradual']);--> statement-breakpoint
-- Of whoever moves gradual changes (store/lock-rows.ts).
INSERT INTO "lock_rows" ("id") VALUES (1025);
