CREATE TABLE "health_events" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "health_events_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"pool" text collate "C" NOT NULL,
	"member" text collate "C" NOT NULL,
	"from_state" text NOT NULL,
	"to_state" text NOT NULL,
	"reason" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "health_events_from_check" CHECK ("health_events"."from_state" in ('up', 'down', 'unknown')),
	CONSTRAINT "health_events_to_check" CHECK ("health_events"."to_state" in ('up', 'down', 'unknown'))
);
--> statement-breakpoint
CREATE TABLE "member_health" (
	"pool" text collate "C" NOT NULL,
	"member" text collate "C" NOT NULL,
	"state" text NOT NULL,
	"since" timestamp (3) with time zone NOT NULL,
	"reason" text NOT NULL,
	CONSTRAINT "member_health_pkey" PRIMARY KEY("pool","member"),
	CONSTRAINT "member_health_state_check" CHECK ("member_health"."state" in ('up', 'down', 'unknown'))
);
--> statement-breakpoint
CREATE TABLE "overrides" (
	"pool" text collate "C" NOT NULL,
	"member" text collate "C" NOT NULL,
	"state" text NOT NULL,
	"until" timestamp (3) with time zone,
	"reason" text NOT NULL,
	"actor" text NOT NULL,
	"since" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "overrides_pkey" PRIMARY KEY("pool","member"),
	CONSTRAINT "overrides_state_check" CHECK ("overrides"."state" in ('up', 'down', 'drain'))
);
--> statement-breakpoint
CREATE TABLE "audit_log" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "audit_log_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"at" timestamp (3) with time zone NOT NULL,
	"actor" text NOT NULL,
	"action" text NOT NULL,
	"key" text NOT NULL,
	"before" jsonb,
	"after" jsonb,
	"revision" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "changes" (
	"revision" bigint NOT NULL,
	"kind" text NOT NULL,
	"key" text collate "C" NOT NULL,
	CONSTRAINT "changes_pkey" PRIMARY KEY("revision","kind","key"),
	CONSTRAINT "changes_kind_check" CHECK ("changes"."kind" in ('zone', 'monitor', 'pool', 'service', 'override'))
);
--> statement-breakpoint
CREATE TABLE "config_revision" (
	"id" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"revision" bigint NOT NULL,
	CONSTRAINT "config_revision_single_row" CHECK ("config_revision"."id")
);
--> statement-breakpoint
CREATE TABLE "lookups" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "lookups_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"domain" text NOT NULL,
	"client_ip" "inet" NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"addresses" "inet"[] NOT NULL
);
--> statement-breakpoint
CREATE TABLE "tokens" (
	"name" text collate "C" PRIMARY KEY NOT NULL,
	"hash" text collate "C" NOT NULL,
	"scopes" text[] NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"last_used_at" timestamp (3) with time zone,
	CONSTRAINT "tokens_hash_unique" UNIQUE("hash"),
	CONSTRAINT "tokens_name_check" CHECK ("tokens"."name" = lower("tokens"."name") and "tokens"."name" !~ '[[:space:][:cntrl:]/]' and octet_length("tokens"."name") between 1 and 255),
	CONSTRAINT "tokens_hash_check" CHECK ("tokens"."hash" ~ '^[0-9a-f]{64}$'),
	CONSTRAINT "tokens_scopes_check" CHECK (cardinality("tokens"."scopes") >= 1 and "tokens"."scopes" <@ array['read', 'write'])
);
--> statement-breakpoint
CREATE TABLE "members" (
	"pool" text collate "C" NOT NULL,
	"name" text collate "C" NOT NULL,
	"position" integer NOT NULL,
	"address" "inet" NOT NULL,
	"weight" integer NOT NULL,
	"probe_address" "inet",
	"probe_port" integer,
	"revision" bigint NOT NULL,
	CONSTRAINT "members_pkey" PRIMARY KEY("pool","name"),
	CONSTRAINT "members_name_check" CHECK ("members"."name" = lower("members"."name") and "members"."name" !~ '[[:space:][:cntrl:]/]' and octet_length("members"."name") between 1 and 255),
	CONSTRAINT "members_address_check" CHECK (masklen("members"."address") = case family("members"."address") when 4 then 32 else 128 end),
	CONSTRAINT "members_weight_check" CHECK ("members"."weight" between 0 and 65535),
	CONSTRAINT "members_probe_address_check" CHECK (masklen("members"."probe_address") = case family("members"."probe_address") when 4 then 32 else 128 end),
	CONSTRAINT "members_probe_port_check" CHECK ("members"."probe_port" between 1 and 65535)
);
--> statement-breakpoint
CREATE TABLE "monitors" (
	"name" text collate "C" PRIMARY KEY NOT NULL,
	"type" text NOT NULL,
	"method" text NOT NULL,
	"port" integer NOT NULL,
	"path" text NOT NULL,
	"host" text,
	"expect_codes" jsonb NOT NULL,
	"expect_body" text,
	"follow_redirects" integer NOT NULL,
	"interval_ms" integer NOT NULL,
	"timeout_ms" integer NOT NULL,
	"rise" integer NOT NULL,
	"fall" integer NOT NULL,
	"revision" bigint NOT NULL,
	CONSTRAINT "monitors_name_check" CHECK ("monitors"."name" = lower("monitors"."name") and "monitors"."name" !~ '[[:space:][:cntrl:]/]' and octet_length("monitors"."name") between 1 and 255),
	CONSTRAINT "monitors_type_check" CHECK ("monitors"."type" in ('http', 'https')),
	CONSTRAINT "monitors_method_check" CHECK ("monitors"."method" in ('GET', 'HEAD', 'POST', 'OPTIONS')),
	CONSTRAINT "monitors_port_check" CHECK ("monitors"."port" between 1 and 65535),
	CONSTRAINT "monitors_path_check" CHECK (left("monitors"."path", 1) = '/'),
	CONSTRAINT "monitors_expect_codes_check" CHECK (jsonb_typeof("monitors"."expect_codes") = 'array' and jsonb_array_length("monitors"."expect_codes") > 0),
	CONSTRAINT "monitors_follow_redirects_check" CHECK ("monitors"."follow_redirects" between 0 and 100),
	CONSTRAINT "monitors_interval_check" CHECK ("monitors"."interval_ms" > 0),
	CONSTRAINT "monitors_timeout_check" CHECK ("monitors"."timeout_ms" > 0 and "monitors"."timeout_ms" <= "monitors"."interval_ms"),
	CONSTRAINT "monitors_rise_check" CHECK ("monitors"."rise" >= 1),
	CONSTRAINT "monitors_fall_check" CHECK ("monitors"."fall" >= 1)
);
--> statement-breakpoint
CREATE TABLE "pools" (
	"name" text collate "C" PRIMARY KEY NOT NULL,
	"monitor" text collate "C",
	"select" text NOT NULL,
	"answers" integer,
	"min_up" double precision NOT NULL,
	"revision" bigint NOT NULL,
	CONSTRAINT "pools_name_check" CHECK ("pools"."name" = lower("pools"."name") and "pools"."name" !~ '[[:space:][:cntrl:]/]' and octet_length("pools"."name") between 1 and 255),
	CONSTRAINT "pools_select_check" CHECK ("pools"."select" in ('all', 'weighted')),
	CONSTRAINT "pools_answers_check" CHECK ("pools"."answers" >= 1),
	CONSTRAINT "pools_min_up_check" CHECK ("pools"."min_up" between 0 and 1)
);
--> statement-breakpoint
CREATE TABLE "service_pools" (
	"service" text collate "C" NOT NULL,
	"position" integer NOT NULL,
	"pool" text collate "C" NOT NULL,
	CONSTRAINT "service_pools_pkey" PRIMARY KEY("service","position"),
	CONSTRAINT "service_pools_service_pool_unique" UNIQUE("service","pool"),
	CONSTRAINT "service_pools_position_check" CHECK ("service_pools"."position" >= 0)
);
--> statement-breakpoint
CREATE TABLE "services" (
	"name" text collate "C" PRIMARY KEY NOT NULL,
	"zone" text collate "C" NOT NULL,
	"ttl_seconds" integer NOT NULL,
	"steer" text NOT NULL,
	"when_all_down" text NOT NULL,
	"fallback" text collate "C",
	"revision" bigint NOT NULL,
	CONSTRAINT "services_name_check" CHECK ("services"."name" = lower("services"."name") and "services"."name" !~ '[[:space:][:cntrl:]/]' and octet_length("services"."name") between 1 and 255),
	CONSTRAINT "services_in_zone_check" CHECK ("services"."zone" = '.' or "services"."name" = "services"."zone" or right("services"."name", length("services"."zone") + 1) = '.' || "services"."zone"),
	CONSTRAINT "services_ttl_check" CHECK ("services"."ttl_seconds" between 0 and 2147483647),
	CONSTRAINT "services_steer_check" CHECK ("services"."steer" in ('failover')),
	CONSTRAINT "services_when_all_down_check" CHECK ("services"."when_all_down" in ('serve-all', 'last-known', 'fallback', 'nodata', 'servfail')),
	CONSTRAINT "services_fallback_check" CHECK (("services"."when_all_down" = 'fallback') = ("services"."fallback" is not null))
);
--> statement-breakpoint
CREATE TABLE "rrsets" (
	"zone" text collate "C" NOT NULL,
	"owner" text collate "C" NOT NULL,
	"type" text collate "C" NOT NULL,
	"ttl_seconds" integer,
	"data" text[] NOT NULL,
	"revision" bigint NOT NULL,
	CONSTRAINT "rrsets_pkey" PRIMARY KEY("zone","owner","type"),
	CONSTRAINT "rrsets_owner_check" CHECK ("rrsets"."owner" = lower("rrsets"."owner") and octet_length("rrsets"."owner") between 1 and 1004),
	CONSTRAINT "rrsets_type_check" CHECK ("rrsets"."type" ~ '^[A-Z][A-Z0-9-]*$' and "rrsets"."type" <> 'SOA'),
	CONSTRAINT "rrsets_ttl_check" CHECK ("rrsets"."ttl_seconds" between 0 and 2147483647),
	CONSTRAINT "rrsets_data_check" CHECK (cardinality("rrsets"."data") between 1 and 65535 and array_position("rrsets"."data", null) is null)
);
--> statement-breakpoint
CREATE TABLE "zones" (
	"apex" text collate "C" PRIMARY KEY NOT NULL,
	"mname" text NOT NULL,
	"rname" text NOT NULL,
	"refresh_seconds" integer NOT NULL,
	"retry_seconds" integer NOT NULL,
	"expire_seconds" integer NOT NULL,
	"minimum_seconds" integer NOT NULL,
	"ttl_seconds" integer NOT NULL,
	"serial" bigint NOT NULL,
	"revision" bigint NOT NULL,
	CONSTRAINT "zones_apex_check" CHECK ("zones"."apex" = lower("zones"."apex") and octet_length("zones"."apex") between 1 and 1004 and ("zones"."apex" = '.' or (left("zones"."apex", 1) <> '.' and right("zones"."apex", 1) <> '.'))),
	CONSTRAINT "zones_mname_check" CHECK (right("zones"."mname", 1) = '.'),
	CONSTRAINT "zones_rname_check" CHECK (right("zones"."rname", 1) = '.'),
	CONSTRAINT "zones_refresh_check" CHECK ("zones"."refresh_seconds" between 0 and 2147483647),
	CONSTRAINT "zones_retry_check" CHECK ("zones"."retry_seconds" between 0 and 2147483647),
	CONSTRAINT "zones_expire_check" CHECK ("zones"."expire_seconds" between 0 and 2147483647),
	CONSTRAINT "zones_minimum_check" CHECK ("zones"."minimum_seconds" between 0 and 2147483647),
	CONSTRAINT "zones_ttl_check" CHECK ("zones"."ttl_seconds" between 0 and 2147483647),
	CONSTRAINT "zones_serial_check" CHECK ("zones"."serial" between 0 and 4294967295)
);
--> statement-breakpoint
ALTER TABLE "member_health" ADD CONSTRAINT "member_health_member_fkey" FOREIGN KEY ("pool","member") REFERENCES "public"."members"("pool","name") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "overrides" ADD CONSTRAINT "overrides_member_fkey" FOREIGN KEY ("pool","member") REFERENCES "public"."members"("pool","name") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "members" ADD CONSTRAINT "members_pool_pools_name_fk" FOREIGN KEY ("pool") REFERENCES "public"."pools"("name") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "pools" ADD CONSTRAINT "pools_monitor_monitors_name_fk" FOREIGN KEY ("monitor") REFERENCES "public"."monitors"("name") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "service_pools" ADD CONSTRAINT "service_pools_service_services_name_fk" FOREIGN KEY ("service") REFERENCES "public"."services"("name") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "service_pools" ADD CONSTRAINT "service_pools_pool_pools_name_fk" FOREIGN KEY ("pool") REFERENCES "public"."pools"("name") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "services" ADD CONSTRAINT "services_zone_zones_apex_fk" FOREIGN KEY ("zone") REFERENCES "public"."zones"("apex") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "services" ADD CONSTRAINT "services_fallback_pools_name_fk" FOREIGN KEY ("fallback") REFERENCES "public"."pools"("name") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "rrsets" ADD CONSTRAINT "rrsets_zone_zones_apex_fk" FOREIGN KEY ("zone") REFERENCES "public"."zones"("apex") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "health_events_member_index" ON "health_events" USING btree ("pool","member","id");--> statement-breakpoint
CREATE INDEX "audit_log_key_index" ON "audit_log" USING btree ("key","id");--> statement-breakpoint
CREATE INDEX "pools_monitor_index" ON "pools" USING btree ("monitor");--> statement-breakpoint
CREATE INDEX "service_pools_pool_index" ON "service_pools" USING btree ("pool");--> statement-breakpoint
CREATE INDEX "services_zone_index" ON "services" USING btree ("zone");--> statement-breakpoint
CREATE INDEX "services_fallback_index" ON "services" USING btree ("fallback");