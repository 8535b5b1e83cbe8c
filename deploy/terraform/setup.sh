# Makes the two roles in the database, or gives them their passwords anew, as the administrator of a managed PostgreSQL, who is no superuser.
# $PGHOST and its like say where; passwords come by the environment, and are nobody's argument.
set -eu

# A role that one makes is not one's own to give things to (PostgreSQL 16) unless this is set.
version=$(psql --no-psqlrc --tuples-only --no-align --command='show server_version_num')
if [ "$version" -ge 160000 ]; then export PGOPTIONS='-c createrole_self_grant=set,inherit'; fi

exists=$(psql --no-psqlrc --tuples-only --no-align --command="select count(*) from pg_roles where rolname in ('pooldns_owner', 'pooldns')")
if [ "$exists" = 2 ]; then
  psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --file=- <<'SQL'
\getenv owner_password OWNER_PASSWORD
\getenv daemon_password DAEMON_PASSWORD
alter role pooldns_owner password :'owner_password';
alter role pooldns password :'daemon_password';
SQL
  echo 'the roles have their passwords'
else
  psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --single-transaction --file=- <<'SQL'
\getenv owner_password OWNER_PASSWORD
\getenv daemon_password DAEMON_PASSWORD
\getenv roles ROLES_SQL
\o /dev/null
select set_config('pooldns.owner_password', :'owner_password', false), set_config('pooldns.daemon_password', :'daemon_password', false);
\o
:roles
SQL
  echo 'the roles are made'
fi
