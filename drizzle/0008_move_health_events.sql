INSERT INTO "events" ("kind", "node", "pool", "member", "from_state", "to_state", "reason", "at")
SELECT 'member', 'unknown', "pool", "member", "from_state", "to_state", "reason", "at" FROM "health_events" ORDER BY "id";
--> statement-breakpoint
DROP TABLE "health_events" CASCADE;