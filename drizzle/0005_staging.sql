CREATE UNLOGGED TABLE "staged_rrs" (
	"id" bigint NOT NULL,
	"line" integer NOT NULL,
	"column" integer NOT NULL,
	"owner" text collate "C" NOT NULL,
	"type" text collate "C" NOT NULL,
	"ttl_seconds" integer NOT NULL,
	"data" text collate "C" NOT NULL,
	"octets" integer NOT NULL
);
--> statement-breakpoint
CREATE UNLOGGED TABLE "staged_rrsets" (
	"owner" text collate "C" NOT NULL,
	"type" text collate "C" NOT NULL,
	"first_id" bigint NOT NULL,
	"ttl_seconds" integer NOT NULL,
	"data" text[] NOT NULL,
	"octets" bigint NOT NULL
);
