#!/bin/sh
# Every "RFC n" that the code cites has a row in docs/rfc.md, and no citation
# has a form that a script cannot find ("rfc1234", "RFC1234").
#
# usage: sh tests/rfc.sh          checks
#        sh tests/rfc.sh --index  prints where each RFC is cited
set -u
cd "$(dirname "$0")/.." || exit 1
rooms='server smtp pop3 imap store auth'

cited() {
	# shellcheck disable=SC2086
	grep -rnoE 'RFC [0-9]+' $rooms --include='*.[ch]' |
	    sed 's/:[0-9]*:RFC /:/'
}

if [ "${1-}" = --index ]; then
	cited | sort -u | awk -F: '
		{ files[$2] = files[$2] " " $1 }
		END { for (n in files) print n ":" files[n] }' | sort -n
	exit 0
fi
bad=0
# shellcheck disable=SC2086
if grep -rniE '\brfc ?[0-9]' $rooms --include='*.[ch]' |
    grep -vE 'RFC [0-9]|RFC822|rfc822'; then
	echo "citations are written: RFC 5321 section 4.5.2"
	bad=$((bad + 1))
fi
known=$(grep '^|' docs/rfc.md | cut -d'|' -f2)
for n in $(cited | cut -d: -f2 | sort -un); do
	found=no
	for k in $(echo "$known" | tr ',' ' '); do
		low=${k%-*}
		high=${k#*-}
		case $low$high in *[!0-9]*) continue ;; esac
		[ "$n" -ge "$low" ] && [ "$n" -le "$high" ] && found=yes
	done
	[ $found = yes ] && continue
	echo "RFC $n is cited and has no row in docs/rfc.md:" \
	    "$(cited | grep ":$n\$" | cut -d: -f1 | sort -u | tr '\n' ' ')"
	bad=$((bad + 1))
done
[ $bad -eq 0 ]
