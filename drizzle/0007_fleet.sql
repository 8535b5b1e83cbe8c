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
CREATE INDEX "reports_stored_at_index" ON "reports" USING btree ("stored_at");