# Part of tests/run: builds and tests in a Debian 13 tree, which has mbedTLS
# 3.6 and with it TLS 1.3. Needs root, and some 2 GB for the tree.
#
# KINGPOST_TRIXIE  the folder of the tree (/var/tmp/kingpost-trixie); made
#                  when it is not there, and kept for the next time
#
# Runs the unit tests, the wire scripts, and of the live tests those that have
# "tls" in their names, with gcc's sanitizers: a second compiler sees it all.

trixie_mirror=http://deb.debian.org/debian

trixie_make() {
	[ ! -f "$1/kingpost-complete" ] || return 0
	if ! command -v debootstrap >/dev/null; then
		export DEBIAN_FRONTEND=noninteractive
		quietly "$tmp/trixie.log" apt-get update &&
		    quietly "$tmp/trixie.log" apt-get install -y \
		    --no-install-recommends debootstrap || return 1
	fi
	echo "trixie:  making a Debian 13 tree in $1"
	rm -rf "$1"
	mkdir -p "$1" || return 1
	quietly "$tmp/trixie.log" debootstrap --variant=minbase \
	    trixie "$1" "$trixie_mirror" || return 1
	# Packages must not start their services in there.
	printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
	chmod 755 "$1/usr/sbin/policy-rc.d"
	: >"$1/kingpost-complete"
}

# The source as it is now, without what was built from it.
trixie_copy() {
	rm -rf "$1/src"
	mkdir -p "$1/src" || return 1
	tar -c --exclude='./build*' --exclude=./.git --exclude=__pycache__ . |
	    tar -x --no-same-owner -C "$1/src" || return 1
	cp /etc/resolv.conf "$1/etc/resolv.conf"
}

# Everything is mounted in a mount namespace that ends with the last process
# in there, so nothing is left mounted, however this ends.
trixie_enter='
	mount -t proc proc "$1/proc" &&
	mount -t tmpfs tmpfs "$1/dev/shm" &&
	exec chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	    HOME=/root TESTS_CC=gcc TESTS_LIVE=tls TESTS_BUILD=/var/tmp/build \
	    sh /src/tests/run unit wire live
'

trixie_run() {
	tree=${KINGPOST_TRIXIE:-/var/tmp/kingpost-trixie}
	if [ "$(id -u)" -ne 0 ]; then
		echo 'trixie: needs root'
		count trixie 0 1
		return
	fi
	if ! trixie_make "$tree" || ! trixie_copy "$tree"; then
		[ ! -f "$tmp/trixie.log" ] || tail -n 30 "$tmp/trixie.log"
		count trixie 0 1
		return
	fi
	quietly "$tmp/trixie.log" unshare --mount --propagation private \
	    --pid --fork --kill-child sh -c "$trixie_enter" sh "$tree"
	count_log trixie "$tmp/trixie.log" $?
}
