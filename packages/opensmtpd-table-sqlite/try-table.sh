#!/bin/bash
# Speak smtpd's table protocol (smtpd-tables(7)) to the helper: it loads a
# configuration, answers lookups, waits for a writer, reloads without leaking and
# refuses a query of the wrong width.
#
#   try-table.sh /path/to/table-sqlite

set -euo pipefail
helper=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

sqlite3 mail.sqlite <<'EOF' >/dev/null
CREATE TABLE users(name TEXT PRIMARY KEY, hash TEXT);
INSERT INTO users VALUES('anna@example.org', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA');
EOF
cat >good.conf <<EOF
dbpath $dir/mail.sqlite
query_credentials SELECT name, hash FROM users WHERE name = ?
query_domain SELECT 'example.org' WHERE ? = 'example.org'
EOF
cat >bad.conf <<EOF
dbpath $dir/mail.sqlite
query_credentials SELECT name FROM users WHERE name = ?
EOF

"$helper" bad.conf </dev/null 2>/dev/null && fail "one column for credentials was accepted"
echo "ok: a query of the wrong width is refused"

coproc TABLE { exec "$helper" good.conf 2>"$dir/log"; }
pid=$TABLE_PID
say() { printf '%s\n' "$@" >&"${TABLE[1]}"; }
# expect LINE: the helper's next line, at most 20 s from now
expect() {
  local line
  read -r -t 20 line <&"${TABLE[0]}" || fail "no answer, expected: $1; log: $(<"$dir/log")"
  [[ $line == "$1" ]] || fail "expected: $1, got: $line"
  echo "ok: $line"
}

say 'config|smtpd-version|7.6.0' 'config|protocol|0.1' 'config|tablename|t' 'config|ready'
while read -r -t 20 line <&"${TABLE[0]}" && [[ $line != 'register|ready' ]]; do :; done
[[ $line == 'register|ready' ]] || fail "the helper did not register"

say 'table|0.1|1.0|t|lookup|credentials|1|anna@example.org'
# shellcheck disable=SC2016 # a hash, not a variable
expect 'lookup-result|1|found|anna@example.org:$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA'
say 'table|0.1|1.0|t|lookup|credentials|2|nobody@example.org'
expect 'lookup-result|2|not-found'
say 'table|0.1|1.0|t|check|domain|3|example.org'
expect 'check-result|3|found'

# a writer that holds the database: the answer comes when it is done
mkfifo locked
sqlite3 mail.sqlite 'BEGIN EXCLUSIVE;' '.shell echo yes >locked' '.shell sleep 1' 'COMMIT;' &
writer=$!
read -r -t 20 _ <>locked || fail "the writer got no lock"
say 'table|0.1|1.0|t|check|credentials|4|anna@example.org'
expect 'check-result|4|found'
wait "$writer"

for id in 5 6 7; do
  say "table|0.1|1.0|t|update|$id"
  expect "update-result|$id|ok"
done
open=$(find "/proc/$pid/fd" -lname "$dir/mail.sqlite" | wc -l)
[[ $open == 1 ]] || fail "the database is open $open times after three reloads"
echo "ok: open once after three reloads"

sed -i 's/name, hash/name/' good.conf
say 'table|0.1|1.0|t|update|8'
expect 'update-result|8|error'

input=${TABLE[1]}
exec {input}>&-
wait "$pid" || fail "the helper ended with status $?"
