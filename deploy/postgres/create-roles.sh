#!/bin/bash
# Runs once, when the postgres image makes a new database cluster (it lies in /docker-entrypoint-initdb.d): the roles
# of roles.sql in the database $POSTGRES_DB. Each password is in the variable of its name, or, better, in a file that the
# variable with _FILE behind it names, as that image takes its own. No list of processes shows them: they are nobody's
# argument, and psql, which reads them from its standard input, has them in no environment either.
set -euo pipefail

# Prints the password of a variable, or of its file without the line ends behind it.
password_of() {
  local variable=$1 file_variable=$1_FILE whose=$2 password
  local file=${!file_variable:-}
  if [[ -z $file ]]; then
    password=${!variable:-}
  elif [[ -n ${!variable:-} ]]; then
    echo "$variable and $file_variable are both set; one is enough" >&2
    return 1
  else
    password=$(<"$file") || return 1
    password=${password%$'\r'}
    [[ -n $password ]] || { echo "$file_variable: $file is empty" >&2; return 1; }
  fi
  [[ -n $password ]] || { echo "$variable or $file_variable must give the password of $whose" >&2; return 1; }
  printf '%s' "$password"
}

# A text as a literal of SQL that no setting of the server reads in another way.
literal_of() {
  local text=${1//\\/\\\\}
  printf "E'%s'" "${text//\'/\'\'}"
}

owner_password=$(password_of POOLDNS_OWNER_PASSWORD 'the role that migrates')
daemon_password=$(password_of POOLDNS_DAEMON_PASSWORD 'the role of the daemon')
unset POOLDNS_OWNER_PASSWORD POOLDNS_DAEMON_PASSWORD

psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --single-transaction --set=roles="${POOLDNS_ROLES_SQL:-/etc/pooldns/roles.sql}" --file=- <<SQL
\\o /dev/null
select set_config('pooldns.owner_password', $(literal_of "$owner_password"), false),
       set_config('pooldns.daemon_password', $(literal_of "$daemon_password"), false);
\\o
\\i :roles
SQL
