#!/bin/sh
# Which folder may include what (docs/architecture.md has the picture).
#
# usage: sh tests/layers.sh [ROOT]
#
# Reads every #include of the six rooms. Prints each that breaks a rule and
# exits 1 if there is any:
#   - headers of the project are written from the root, in quotes, and exist;
#   - a folder includes only the bands below it;
#   - a *_priv.h is included from its own folder only;
#   - a header that is not the C library's has its homes in a table here.
set -u
cd "${1:-$(dirname "$0")/..}" || exit 1

rooms='server smtp pop3 imap store auth'

find $rooms \( -name '*.c' -o -name '*.h' \) -type f 2>/dev/null |
    LC_ALL=C sort |
    xargs grep -En '^[[:space:]]*#[[:space:]]*include' /dev/null |
    LC_ALL=C awk '
BEGIN {
	# Folder: the folders whose headers it may include.
	may["server/base"] = "server/base"
	may["store/mime"] = "server/base store/mime"
	may["store"] = "server/base store/mime store"
	may["auth"] = "server/base store/mime auth"
	above = "server/base store/mime store auth"
	may["smtp"] = above " smtp"
	may["pop3"] = above " pop3"
	may["imap"] = above " imap"
	may["server/http"] = above " server/http"
	may["server/net"] = "server/base server/net"
	may["server"] = above " smtp pop3 imap server/http server/net server"

	# Header, or folder of headers: the files and folders it lives in.
	home["sodium.h"] = "server/base/hash.c server/base/random.c auth"
	home["utf8proc.h"] = "server/base"
	home["idn2.h"] = "server/base"
	home["iconv.h"] = "store/mime/charset.c"
	home["sqlite3.h"] = "store"
	home["zstd.h"] = "store/body.c"
	home["uv.h"] = "server/net"
	home["unbound.h"] = "server/net"
	home["zlib.h"] = "server/base/gzip.c server/net"
	home["confuse.h"] = "server"
	home["jansson.h"] = "server"
	home["psa/"] = "auth server/net"
	home["mbedtls/"] = "server/net"
	n = split("md pk pkcs5 rsa ecp ecdsa bignum base64 error version" \
	    " platform_util sha256 constant_time", part, " ")
	for (i = 1; i <= n; i++)
		home["mbedtls/" part[i] ".h"] = "auth server/net"
	# Sockets and threads: no front-end knows of either.
	net = "server/base server/net server"
	home["sys/socket.h"] = home["sys/un.h"] = home["netinet/"] = net
	home["netdb.h"] = home["arpa/"] = home["poll.h"] = net
	home["sys/epoll.h"] = net
	home["pthread.h"] = "server/base server/net server store"

	# The C library and POSIX, for any room.
	libc = "assert ctype dirent errno fcntl float fnmatch getopt grp" \
	    " inttypes langinfo libgen limits locale malloc math pwd" \
	    " sched semaphore setjmp signal spawn stdalign stdarg" \
	    " stdatomic stdbool stddef stdint stdio stdlib stdnoreturn" \
	    " string strings sysexits termios time unistd wchar" \
	    " emmintrin immintrin"
	n = split(libc, part, " ")
	for (i = 1; i <= n; i++)
		home[part[i] ".h"] = "any"
	home["sys/"] = home["linux/"] = home["sanitizer/"] = "any"
}

function folder(path) {
	return path ~ /\// ? substr(path, 1, match(path, /\/[^\/]*$/) - 1) : "."
}

function has(list, word) {
	return index(" " list " ", " " word " ") > 0
}

function complain(why) {
	print file ":" line ": " why
	bad++
}

function is_file(path,   ok, ignored) {
	if (!(path in known)) {
		ok = (getline ignored < path) >= 0
		close(path)
		known[path] = ok
	}
	return known[path]
}

function ours(path,   to) {
	to = folder(path)
	if (!is_file(path))
		complain("\"" path "\" is no file, seen from the root")
	else if (!has(may[from], to))
		complain(from " may not include " path)
	else if (path ~ /_priv\.h$/ && to != from)
		complain(path " is private to " to)
}

function theirs(path,   where) {
	where = path in home ? path : substr(path, 1, index(path, "/"))
	if (!(where in home))
		complain("<" path "> has no home in tests/layers.sh")
	else if (home[where] != "any" && !has(home[where], from) &&
	    !has(home[where], file))
		complain(from " may not include <" path ">")
}

{
	match($0, /:[0-9]+:/)
	file = substr($0, 1, RSTART - 1)
	line = substr($0, RSTART + 1, RLENGTH - 2)
	text = substr($0, RSTART + RLENGTH)
	from = folder(file)
	count++
	if (!(from in may))
		complain("a folder that is not in tests/layers.sh")
	else if (match(text, /"[^"]*"/))
		ours(substr(text, RSTART + 1, RLENGTH - 2))
	else if (match(text, /<[^>]*>/))
		theirs(substr(text, RSTART + 1, RLENGTH - 2))
	else
		complain("an include that cannot be read")
}

END {
	printf "%d includes, %d violations\n", count, bad
	exit bad > 0 || count == 0
}'
