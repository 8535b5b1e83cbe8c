CREATE TABLE "feeds" (
	"name" text collate "C" PRIMARY KEY NOT NULL,
	"settings" json NOT NULL,
	"written" json,
	"owner" text collate "C",
	"revision" bigint NOT NULL,
	"born" bigint GENERATED ALWAYS AS IDENTITY (sequence name "feeds_born_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	CONSTRAINT "feeds_born_unique" UNIQUE("born"),
	CONSTRAINT "feeds_name_check" CHECK ("feeds"."name" ~ '^[a-z][a-z0-9_]{0,62}$'),
	CONSTRAINT "feeds_owner_check" CHECK ("feeds"."owner" = lower("feeds"."owner") and "feeds"."owner" !~ '[[:space:][:cntrl:]/]' and octet_length("feeds"."owner") between 1 and 255),
	CONSTRAINT "feeds_settings_check" CHECK (json_typeof("feeds"."settings") = 'object')
);
--> statement-breakpoint
ALTER TABLE "changes" DROP CONSTRAINT "changes_kind_check";--> statement-breakpoint
ALTER TABLE "history" DROP CONSTRAINT "history_kind_check";--> statement-breakpoint
ALTER TABLE "changes" ADD CONSTRAINT "changes_kind_check" CHECK ("changes"."kind" in ('zone', 'feed', 'monitor', 'pool', 'service', 'override', 'webhook', 'fail-back'));--> statement-breakpoint
ALTER TABLE "history" ADD CONSTRAINT "history_kind_check" CHECK ("history"."kind" in ('feed', 'monitor', 'pool', 'member', 'service', 'zone', 'rrset'));