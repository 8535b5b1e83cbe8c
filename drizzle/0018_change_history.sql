CREATE TABLE "history" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "history_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"revision" bigint NOT NULL,
	"kind" text NOT NULL,
	"key" text collate "C" NOT NULL,
	"before" json,
	"lost" boolean DEFAULT false NOT NULL,
	CONSTRAINT "history_kind_check" CHECK ("history"."kind" in ('monitor', 'pool', 'member', 'service', 'zone', 'rrset'))
);
--> statement-breakpoint
CREATE TABLE "revisions" (
	"revision" bigint PRIMARY KEY NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"actor" text NOT NULL,
	"source" text NOT NULL,
	"message" text,
	CONSTRAINT "revisions_source_check" CHECK ("revisions"."source" in ('api', 'apply', 'rollback', 'gradual', 'demo'))
);
--> statement-breakpoint
ALTER TABLE "members" ADD COLUMN "written" json;--> statement-breakpoint
ALTER TABLE "monitors" ADD COLUMN "written" json;--> statement-breakpoint
ALTER TABLE "monitors" ADD COLUMN "owner" text collate "C";--> statement-breakpoint
ALTER TABLE "pools" ADD COLUMN "written" json;--> statement-breakpoint
ALTER TABLE "pools" ADD COLUMN "owner" text collate "C";--> statement-breakpoint
ALTER TABLE "services" ADD COLUMN "written" json;--> statement-breakpoint
ALTER TABLE "services" ADD COLUMN "owner" text collate "C";--> statement-breakpoint
ALTER TABLE "rrsets" ADD COLUMN "written" json;--> statement-breakpoint
ALTER TABLE "zones" ADD COLUMN "written" json;--> statement-breakpoint
ALTER TABLE "zones" ADD COLUMN "owner" text collate "C";--> statement-breakpoint
CREATE INDEX "history_revision_index" ON "history" USING btree ("revision");--> statement-breakpoint
CREATE INDEX "revisions_at_index" ON "revisions" USING btree ("at");--> statement-breakpoint
ALTER TABLE "monitors" ADD CONSTRAINT "monitors_owner_check" CHECK ("monitors"."owner" = lower("monitors"."owner") and "monitors"."owner" !~ '[[:space:][:cntrl:]/]' and octet_length("monitors"."owner") between 1 and 255);--> statement-breakpoint
ALTER TABLE "pools" ADD CONSTRAINT "pools_owner_check" CHECK ("pools"."owner" = lower("pools"."owner") and "pools"."owner" !~ '[[:space:][:cntrl:]/]' and octet_length("pools"."owner") between 1 and 255);--> statement-breakpoint
ALTER TABLE "services" ADD CONSTRAINT "services_owner_check" CHECK ("services"."owner" = lower("services"."owner") and "services"."owner" !~ '[[:space:][:cntrl:]/]' and octet_length("services"."owner") between 1 and 255);--> statement-breakpoint
ALTER TABLE "zones" ADD CONSTRAINT "zones_owner_check" CHECK ("zones"."owner" = lower("zones"."owner") and "zones"."owner" !~ '[[:space:][:cntrl:]/]' and octet_length("zones"."owner") between 1 and 255);