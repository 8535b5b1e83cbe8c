CREATE TABLE "queries" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "queries_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"at" timestamp (3) with time zone NOT NULL,
	"node" text collate "C" NOT NULL,
	"client" "inet" NOT NULL,
	"transport" text NOT NULL,
	"name" text collate "C",
	"type" text,
	"rcode" text NOT NULL,
	"octets" integer NOT NULL,
	"answered" jsonb
);
--> statement-breakpoint
CREATE INDEX "queries_at_index" ON "queries" USING btree ("at");--> statement-breakpoint
INSERT INTO "lock_rows" ("id") VALUES (1027);
