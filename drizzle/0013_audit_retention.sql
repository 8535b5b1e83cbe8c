ALTER TABLE "audit_log" ADD COLUMN "keep_until" timestamp (3) with time zone DEFAULT now() + interval '90 days' NOT NULL;--> statement-breakpoint
CREATE INDEX "audit_log_keep_until_index" ON "audit_log" USING btree ("keep_until");--> statement-breakpoint
-- The rest is not of schema/: drizzle knows neither functions nor triggers.
CREATE FUNCTION "guard_audit_log"() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN
		IF OLD.keep_until <= now() THEN
			RETURN OLD;
		END IF;
		RAISE EXCEPTION 'entry % of the audit log is to be kept until %', OLD.id, OLD.keep_until USING ERRCODE = 'insufficient_privilege';
	END IF;
	RAISE EXCEPTION 'the audit log only grows: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;--> statement-breakpoint
CREATE TRIGGER "audit_log_keeps_rows" BEFORE UPDATE OR DELETE ON "audit_log" FOR EACH ROW EXECUTE FUNCTION "guard_audit_log"();--> statement-breakpoint
CREATE TRIGGER "audit_log_is_not_emptied" BEFORE TRUNCATE ON "audit_log" FOR EACH STATEMENT EXECUTE FUNCTION "guard_audit_log"();--> statement-breakpoint
-- Deletes what is past its time and not among the newest entries, a part of it at each call, with the rights of the owner: the
-- daemon's role may not delete. It can do no harm by whoever calls it.
CREATE FUNCTION "prune_audit_log"("entries" bigint) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
	DELETE FROM "audit_log" WHERE "id" IN (
		SELECT "id" FROM "audit_log"
		WHERE "keep_until" <= now() AND "id" <= (SELECT "id" FROM "audit_log" ORDER BY "id" DESC OFFSET greatest("entries", 0) LIMIT 1)
		ORDER BY "keep_until" LIMIT 50000)
$$;--> statement-breakpoint
DO $$
DECLARE
	role oid;
BEGIN
	-- Its tables are those of the schema that it was made in, whatever its caller's path says.
	EXECUTE format('ALTER FUNCTION prune_audit_log(bigint) SET search_path = %I, pg_temp', current_schema());
	FOR role IN
		SELECT DISTINCT entry.grantee FROM pg_class AS relation, aclexplode(relation.relacl) AS entry
		WHERE relation.oid = 'audit_log'::regclass AND entry.grantee <> relation.relowner
	LOOP
		EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON audit_log FROM %s',
			CASE role WHEN 0 THEN 'public' ELSE role::regrole::text END);
	END LOOP;
END
$$;
