CREATE TABLE "dnssec_keys" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "dnssec_keys_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"apex" text collate "C" NOT NULL,
	"algorithm" integer NOT NULL,
	"flags" integer NOT NULL,
	"public_key" text NOT NULL,
	"sealed" text NOT NULL,
	"state" text NOT NULL,
	"since" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "dnssec_keys_apex_check" CHECK ("dnssec_keys"."apex" = lower("dnssec_keys"."apex") and octet_length("dnssec_keys"."apex") between 1 and 1004 and ("dnssec_keys"."apex" = '.' or (left("dnssec_keys"."apex", 1) <> '.' and (right("dnssec_keys"."apex", 1) <> '.' or right("dnssec_keys"."apex", 2) = '\.')))),
	CONSTRAINT "dnssec_keys_algorithm_check" CHECK ("dnssec_keys"."algorithm" in (13, 15)),
	CONSTRAINT "dnssec_keys_flags_check" CHECK ("dnssec_keys"."flags" in (256, 257)),
	CONSTRAINT "dnssec_keys_sealed_check" CHECK ("dnssec_keys"."sealed" like 'v1:%'),
	CONSTRAINT "dnssec_keys_state_check" CHECK ("dnssec_keys"."state" in ('active', 'retired'))
);
--> statement-breakpoint
ALTER TABLE "revisions" DROP CONSTRAINT "revisions_source_check";--> statement-breakpoint
ALTER TABLE "zones" ADD COLUMN "signing_algorithm" integer;--> statement-breakpoint
ALTER TABLE "zones" ADD COLUMN "renewed_at" timestamp (3) with time zone;--> statement-breakpoint
CREATE INDEX "dnssec_keys_apex_index" ON "dnssec_keys" USING btree ("apex");--> statement-breakpoint
ALTER TABLE "revisions" ADD CONSTRAINT "revisions_source_check" CHECK ("revisions"."source" in ('api', 'command', 'apply', 'rollback', 'gradual', 'demo', 'dnssec'));--> statement-breakpoint
ALTER TABLE "zones" ADD CONSTRAINT "zones_signing_algorithm_check" CHECK ("zones"."signing_algorithm" in (13, 15));