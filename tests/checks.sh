#!/bin/sh
# Proves that layers.sh and sizes.sh find what they are there to find.
#
# usage: sh tests/checks.sh
#
# Makes a small tree with one violation each, and expects just these to be
# reported. The last line is "N passed, N failed".
set -u
cd "$(dirname "$0")" || exit 1
tests=$PWD
tree=$(mktemp -d) || exit 1
trap 'rm -rf "$tree"' EXIT
trap 'exit 1' HUP INT TERM
passed=0
failed=0

# put FILE TEXT...: a line for each TEXT
put() {
	file=$1
	shift
	mkdir -p "$tree/$(dirname "$file")"
	printf '%s\n' "$@" >"$tree/$file"
}

# expect SCRIPT STATUS PATTERN CLAIM: the script's status, and a line of it
expect() {
	out=$(sh "$tests/$1" "$tree")
	status=$?
	if [ $status -eq "$2" ] && printf '%s\n' "$out" | grep -q "$3"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "not ok: $4 (status $status)"
		printf '%s\n' "$out"
	fi
}

# A tree in order, to which each test adds one file and takes it away.
put server/base/buf.h 'int buf;'
put server/net/loop.h '#include <uv.h>'
put server/server.h 'int server;'
put store/store.h '#include "server/base/buf.h"'
put store/db_priv.h '#include <sqlite3.h>'
put store/mime/mime.h '#include <stddef.h>'
put auth/sasl.h '#include <sodium.h>'
put smtp/smtp_in.h '#include "store/store.h"'
put imap/imap.h '#include "store/mime/mime.h"' '# include "auth/sasl.h"'
put server/main.c '#include "server/net/loop.h"' '#include <jansson.h>' \
    'int' 'main(void)' '{' '	return 0;' '}'

expect layers.sh 0 ' 0 violations' 'a tree in order passes'
expect sizes.sh 0 ' 0 too long' 'a tree in order is not too long'

refuses() {
	put "$1" "$2"
	expect layers.sh 1 "^$1:1: .*$3" "$1 may not have $2"
	rm "$tree/$1"
}
refuses imap/bad.c '#include "smtp/smtp_in.h"' 'smtp/smtp_in.h'
refuses imap/bad.c '#include "server/server.h"' 'server/server.h'
refuses imap/bad.c '#include "server/net/loop.h"' 'server/net'
refuses pop3/bad.h '#	include <uv.h>' '<uv.h>'
refuses smtp/bad.c '#include <sqlite3.h>' '<sqlite3.h>'
refuses smtp/bad.c '#include <sys/socket.h>' '<sys/socket.h>'
refuses store/bad.c '#include "auth/sasl.h"' 'auth/sasl.h'
refuses store/bad.c '#include <sodium.h>' '<sodium.h>'
refuses auth/bad.c '#include "store/store.h"' 'store/store.h'
refuses auth/bad.c '#include <mbedtls/ssl.h>' '<mbedtls/ssl.h>'
refuses store/mime/bad.c '#include "store/store.h"' 'store/store.h'
refuses store/mime/bad.c '#include "store/db_priv.h"' 'db_priv.h'
refuses server/base/bad.c '#include "store/mime/mime.h"' 'store/mime'
refuses server/base/buf.c '#include <sodium.h>' '<sodium.h>'
refuses server/net/bad.c '#include "store/store.h"' 'store/store.h'
refuses server/bad.c '#include "store/db_priv.h"' 'private to store'
refuses imap/bad.c '#include "imap.h"' 'no file'
refuses imap/bad.c '#include "../auth/sasl.h"' 'no file'
refuses imap/bad.c '#include <gpgme.h>' 'no home'
refuses imap/bad.c '#include FORWARD' 'cannot be read'
refuses imap/new/bad.c '#include <stddef.h>' 'not in tests/layers.sh'

long_function() {
	{
		printf 'void\nlong_one(void)\n{\n'
		i=0
		while [ $i -lt "$1" ]; do
			echo '	;'
			i=$((i + 1))
		done
		echo '}'
	} >"$tree/imap/long.c"
}
long_function 96
expect sizes.sh 0 ' 0 too long' 'a function of 100 lines passes'
long_function 98
expect sizes.sh 1 'imap/long.c:2: long_one has 10[0-9] lines' \
    'a function over 100 lines does not'
rm "$tree/imap/long.c"
i=0
while [ $i -lt 1000 ]; do
	echo
	i=$((i + 1))
done >"$tree/imap/long.h"
expect sizes.sh 0 ' 0 too long' 'a file of 1000 lines passes'
echo >>"$tree/imap/long.h"
expect sizes.sh 1 'imap/long.h: 1001 lines' 'a file of 1001 lines does not'

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
