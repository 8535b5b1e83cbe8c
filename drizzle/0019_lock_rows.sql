CREATE TABLE "lock_rows" (
	"id" integer PRIMARY KEY NOT NULL
);
--> statement-breakpoint
-- Of zones, and of events (store/lock-rows.ts).
INSERT INTO "lock_rows" ("id") SELECT generate_series(0, 1024);
