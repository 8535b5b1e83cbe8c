CREATE TABLE "feed_latest" (
	"store" integer NOT NULL,
	"id_entity" text collate "C" NOT NULL,
	"time_instant" timestamp with time zone NOT NULL,
	"values" double precision[] NOT NULL,
	"change" bigint NOT NULL,
	CONSTRAINT "feed_latest_pkey" PRIMARY KEY("store","id_entity")
);
--> statement-breakpoint
CREATE TABLE "feed_parts" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "feed_parts_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"store" integer NOT NULL,
	"since" timestamp with time zone NOT NULL,
	"until" timestamp with time zone NOT NULL,
	"rows" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "feed_parts_since_unique" UNIQUE("store","since"),
	CONSTRAINT "feed_parts_order_check" CHECK ("feed_parts"."since" < "feed_parts"."until")
);
--> statement-breakpoint
CREATE TABLE "feed_stores" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "feed_stores_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"feed" text collate "C" NOT NULL,
	"born" bigint NOT NULL,
	"columns" text[] NOT NULL,
	"change" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "feed_stores_feed_unique" UNIQUE("feed","born")
);
--> statement-breakpoint
ALTER TABLE "feed_latest" ADD CONSTRAINT "feed_latest_store_fkey" FOREIGN KEY ("store") REFERENCES "public"."feed_stores"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "feed_parts" ADD CONSTRAINT "feed_parts_store_fkey" FOREIGN KEY ("store") REFERENCES "public"."feed_stores"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "feed_latest_change_index" ON "feed_latest" USING btree ("store","change");--> statement-breakpoint
-- Of who drops rows of feeds (store/lock-rows.ts).
INSERT INTO "lock_rows" ("id") VALUES (1026);--> statement-breakpoint
-- The rest is not of schema/: tables for rows, which are made and dropped while the server runs, with the rights of the owner: the
-- daemon's role may neither create nor drop any. Whoever calls them may delete rows anyway, or is refused.
CREATE FUNCTION "allow_feed_tables"() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF NOT has_table_privilege(session_user, 'feed_parts', 'DELETE') THEN
		RAISE EXCEPTION 'role % may not write feeds', session_user USING ERRCODE = 'insufficient_privilege';
	END IF;
END
$$;--> statement-breakpoint
CREATE FUNCTION "make_feed_rows"("of_store" integer) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	PERFORM allow_feed_tables();
	EXECUTE format('CREATE TABLE IF NOT EXISTS %I (
		"id_entity" text COLLATE "C" NOT NULL,
		"time_instant" timestamp with time zone NOT NULL,
		"values" double precision[] NOT NULL,
		PRIMARY KEY ("id_entity", "time_instant")
	) PARTITION BY RANGE ("time_instant")', 'feed_rows_' || of_store);
END
$$;--> statement-breakpoint
-- Attached once it is there: to create it as a partition would lock readers out.
CREATE FUNCTION "make_feed_part"("of_store" integer, "since" timestamp with time zone, "until" timestamp with time zone)
	RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	part bigint;
	rows_of_store text := 'feed_rows_' || of_store;
BEGIN
	PERFORM allow_feed_tables();
	INSERT INTO feed_parts ("store", "since", "until") VALUES (of_store, make_feed_part."since", make_feed_part."until") RETURNING id INTO part;
	EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', rows_of_store || '_' || part, rows_of_store);
	EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
		rows_of_store, rows_of_store || '_' || part, make_feed_part."since", make_feed_part."until");
END
$$;--> statement-breakpoint
CREATE FUNCTION "drop_feed_part"("part" bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	of_store integer;
BEGIN
	PERFORM allow_feed_tables();
	DELETE FROM feed_parts WHERE id = part RETURNING "store" INTO of_store;
	IF of_store IS NOT NULL THEN
		EXECUTE format('DROP TABLE IF EXISTS %I', 'feed_rows_' || of_store || '_' || part);
	END IF;
END
$$;--> statement-breakpoint
CREATE FUNCTION "drop_feed_rows"("of_store" integer) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	PERFORM allow_feed_tables();
	-- Waits for those who write to it, as they hold its row.
	DELETE FROM feed_stores WHERE id = of_store;
	EXECUTE format('DROP TABLE IF EXISTS %I', 'feed_rows_' || of_store);
END
$$;--> statement-breakpoint
DO $$
DECLARE
	function regprocedure;
BEGIN
	-- Their tables are those of the schema that they were made in, whatever their caller's path says.
	FOREACH function IN ARRAY ARRAY['allow_feed_tables()', 'make_feed_rows(integer)', 'drop_feed_part(bigint)', 'drop_feed_rows(integer)',
		'make_feed_part(integer, timestamptz, timestamptz)']::regprocedure[]
	LOOP
		EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', function, current_schema());
	END LOOP;
END
$$;
