#!/bin/sh
# Runs one fuzz target for a few seconds; tests/run starts two at a time.
#
# usage: sh tests/fuzz/one.sh WORK KEEP TARGET
#
# Works on a copy of the seed corpus in WORK, where WORK/NAME.passed or
# WORK/NAME.failed tells how it went. An input that failed is kept in KEEP.
set -u
work=$1 keep=$2 target=$3
name=$(basename "$target")
what=${name#fuzz_}
seeds=tests/fuzz/corpus/$what
dict=tests/fuzz/$what.dict
seconds=${FUZZ_SECONDS:-5}

mkdir -p "$work/$what/corpus" "$work/$what/found"
[ ! -d "$seeds" ] || cp -R "$seeds/." "$work/$what/corpus/"
set -- -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="$work/$what/found/"
[ ! -f "$dict" ] || set -- "$@" -dict="$dict"

# A target that hangs outside of its inputs is stopped, too.
if timeout --foreground -k 10 $((seconds + 120)) "$target" "$@" "$work/$what/corpus" \
    >"$work/$what/log" 2>&1 </dev/null; then
	mv "$work/$what/log" "$work/$name.passed"
	rm -rf "${work:?}/$what"
	exit 0
fi
mkdir -p "$keep"
{
	echo "--- $name"
	grep -v -E '^#[0-9]+|^(NEW|REDUCE|INFO)' "$work/$what/log" |
	    tail -n 60
	for input in "$work/$what/found"/*; do
		[ -f "$input" ] || continue
		cp "$input" "$keep/"
		echo "run again: $target $keep/$(basename "$input")"
	done
} >"$work/$name.failed"
