#!/bin/sh
# No function over 100 lines, no file over 1000, in the rooms and the tests.
#
# usage: sh tests/sizes.sh [ROOT]
#
# Prints each that is longer and exits 1 if there is any.
set -u
cd "${1:-$(dirname "$0")/..}" || exit 1

ctags=ctags
command -v ctags-universal >/dev/null && ctags=ctags-universal
if ! $ctags --version 2>/dev/null | grep -q Universal; then
	echo 'sizes: universal-ctags is missing'
	exit 1
fi

files=$(find server smtp pop3 imap store auth tests \
    \( -name '*.c' -o -name '*.h' \) -type f 2>/dev/null | LC_ALL=C sort)
if [ -z "$files" ]; then
	echo 'sizes: no files'
	exit 1
fi

{
	wc -l $files | sed 's/^/file /'
	$ctags --languages=C --langmap=C:.c --c-kinds=f \
	    -x --_xformat='function %F %n %{end} %N' \
	    $(echo "$files" | grep '\.c$')
} | LC_ALL=C awk '
$1 == "file" && $3 != "total" {
	files++
	if ($2 > 1000) {
		print $3 ": " $2 " lines"
		bad++
	}
}
$1 == "function" && $4 ~ /^[0-9]+$/ {
	functions++
	if ($4 - $3 + 1 > 100) {
		print $2 ":" $3 ": " $5 " has " $4 - $3 + 1 " lines"
		bad++
	}
}
END {
	printf "%d functions in %d files, %d too long\n", functions, files, bad
	exit bad > 0 || functions == 0
}'
