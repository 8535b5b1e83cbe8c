#!/bin/bash
# Runs once, when the postgres image makes a new database cluster (it lies in /docker-entrypoint-initdb.d): the roles
# of roles.sql in the database $POSTGRES_DB, with passwords from the environment. They reach psql by the environment
# too (\getenv, psql 14 and later), so that no list of processes shows them.
set -euo pipefail

: "${POOLDNS_OWNER_PASSWORD:?is the password of the role that migrates}"
: "${POOLDNS_DAEMON_PASSWORD:?is the password of the role of the daemon}"
export POOLDNS_OWNER_PASSWORD POOLDNS_DAEMON_PASSWORD

psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --single-transaction --set=roles="${POOLDNS_ROLES_SQL:-/etc/pooldns/roles.sql}" --file=- <<'SQL'
\getenv owner_password POOLDNS_OWNER_PASSWORD
\getenv daemon_password POOLDNS_DAEMON_PASSWORD
\o /dev/null
select set_config('pooldns.owner_password', :'owner_password', false),
       set_config('pooldns.daemon_password', :'daemon_password', false);
\o
\i :roles
SQL
