CREATE TABLE "webhook_waiting" (
	"id" text PRIMARY KEY NOT NULL,
	"position" bigint GENERATED ALWAYS AS IDENTITY (sequence name "webhook_waiting_position_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"node" text collate "C" NOT NULL,
	"webhook" text collate "C" NOT NULL,
	"born" bigint NOT NULL,
	"event" json NOT NULL,
	"stored_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "webhooks" DROP CONSTRAINT "webhooks_url_check";--> statement-breakpoint
ALTER TABLE "webhooks" DROP CONSTRAINT "webhooks_secret_check";--> statement-breakpoint
ALTER TABLE "webhooks" ALTER COLUMN "secret" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "webhooks" ADD COLUMN "format" text DEFAULT 'json' NOT NULL;--> statement-breakpoint
ALTER TABLE "webhooks" ADD COLUMN "group_ms" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX "webhook_waiting_node_index" ON "webhook_waiting" USING btree ("node","webhook","position");--> statement-breakpoint
ALTER TABLE "webhooks" ADD CONSTRAINT "webhooks_format_check" CHECK ("webhooks"."format" in ('json', 'slack', 'teams', 'pagerduty', 'mail'));--> statement-breakpoint
ALTER TABLE "webhooks" ADD CONSTRAINT "webhooks_group_check" CHECK ("webhooks"."group_ms" >= 0);--> statement-breakpoint
ALTER TABLE "webhooks" ADD CONSTRAINT "webhooks_url_check" CHECK (case "webhooks"."format" when 'mail' then "webhooks"."url" ~ '^mailto:' else "webhooks"."url" ~ '^https?://' end);--> statement-breakpoint
ALTER TABLE "webhooks" ADD CONSTRAINT "webhooks_secret_check" CHECK (case "webhooks"."format" when 'json' then "webhooks"."secret" is not null and left("webhooks"."secret", 6) = 'whsec_' when 'pagerduty' then "webhooks"."secret" is not null and "webhooks"."secret" <> '' else "webhooks"."secret" is null end);