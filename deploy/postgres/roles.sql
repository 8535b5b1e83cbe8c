-- Two roles for one database, as a superuser in that database; for PostgreSQL 14 and later:
--
--   pooldns_owner  owns the tables; only "pooldns migrate" connects as it
--   pooldns        the daemon's: reads and writes rows, and can neither create nor change nor drop anything
--
-- Their passwords come as settings of the session, so that this is plain SQL which any client can send:
--   select set_config('pooldns.owner_password', '...', false), set_config('pooldns.daemon_password', '...', false);
--
-- Tables of later migrations get the same rights, by the owner's default privileges. Of the audit log, which only grows, a migration
-- takes all of them back but to read and to insert. One of them, schema_migrations,
-- the daemon only needs to read; that it may write rows there too is the price of one rule for all tables.
do $$
declare
  owner_password text := nullif(current_setting('pooldns.owner_password', true), '');
  daemon_password text := nullif(current_setting('pooldns.daemon_password', true), '');
begin
  if owner_password is null or daemon_password is null then
    raise exception 'pooldns.owner_password and pooldns.daemon_password must be set';
  end if;
  execute format('create role pooldns_owner login password %L', owner_password);
  execute format('create role pooldns login password %L', daemon_password);
  execute format('alter database %I owner to pooldns_owner', current_database());
  -- PUBLIC could connect, and create temporary tables.
  execute format('revoke all on database %I from public', current_database());
  execute format('grant connect on database %I to pooldns', current_database());
end
$$;

alter schema public owner to pooldns_owner;
-- Before PostgreSQL 15 everybody could create tables in it.
revoke all on schema public from public;
grant usage on schema public to pooldns;
alter default privileges for role pooldns_owner in schema public
  grant select, insert, update, delete on tables to pooldns;
