CREATE TABLE "dnssec_signals" (
	"child" text collate "C" NOT NULL,
	"server" text collate "C" NOT NULL,
	"server_path" text collate "C" NOT NULL,
	"name" text collate "C" NOT NULL,
	"zone" text collate "C",
	"owner" text collate "C",
	"obstacle" text,
	"ttl_seconds" integer NOT NULL,
	"cds" text[] NOT NULL,
	"cdnskey" text[] NOT NULL,
	"stale" boolean DEFAULT false NOT NULL,
	CONSTRAINT "dnssec_signals_pkey" PRIMARY KEY("child","server"),
	CONSTRAINT "dnssec_signals_obstacle_check" CHECK ("dnssec_signals"."obstacle" in ('in-domain', 'too-long', 'no-zone', 'unsigned', 'taken'))
);
--> statement-breakpoint
ALTER TABLE "zones" ADD COLUMN "signing_bootstrap" boolean DEFAULT true NOT NULL;--> statement-breakpoint
ALTER TABLE "zones" ADD COLUMN "bootstrapped_at" timestamp (3) with time zone;--> statement-breakpoint
CREATE INDEX "dnssec_signals_zone_index" ON "dnssec_signals" USING btree ("zone","owner");--> statement-breakpoint
CREATE INDEX "dnssec_signals_path_index" ON "dnssec_signals" USING btree ("server_path");