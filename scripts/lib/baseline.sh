#!/bin/bash
# Builds the daemon of the baseline release out of this repository's history, and prints the program's path.
#
#   scripts/lib/baseline.sh [--version]    --version: prints the release's number, and builds nothing
#
# The baseline is the newest release in tests/wire; its file `commit` says what it was made of (scripts/release). A
# program is kept in build-baseline/COMMIT: the next call is over at once. It is built without optimisation, which takes
# twenty seconds on two cores and runs fast enough for tests. Safe to be called by several at once.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

die() {
	printf 'baseline: %s\n' "$*" >&2
	exit 1
}

record=$(printf '%s\n' tests/wire/[0-9]*/commit | sort -V | tail -n 1)
[ -f "$record" ] || die "tests/wire has no release with a commit: see scripts/release"
version=${record#tests/wire/} version=${version%/commit}
if [ "${1-}" = --version ]; then
	printf '%s\n' "$version"
	exit
fi
commit=$(cat "$record")
program=$PWD/build-baseline/$commit/warmcastd

if [ ! -x "$program" ]; then
	git cat-file -e "$commit^{commit}" 2>/dev/null ||
		die "commit $commit, of which release $version was made, is not in this clone (git fetch --unshallow)"
	mkdir -p build-baseline
	exec 9>build-baseline/lock
	flock 9
fi
if [ ! -x "$program" ]; then
	work=build-baseline/$commit
	rm -rf build-baseline/[0-9a-f]*
	mkdir -p "$work/src"
	git archive "$commit" | tar x -C "$work/src"
	# What a compiler says of yesterday's code is nobody's concern any more.
	if ! { cmake -S "$work/src" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS='-O0 -w' &&
		ninja -C "$work/build" warmcastd; } >build-baseline/log 2>&1; then
		tail -n 40 build-baseline/log | sed 's/^/  | /' >&2
		die "release $version does not build"
	fi
	mv "$work/build/warmcastd" "$program"
	rm -rf "$work/src" "$work/build"
fi
printf '%s\n' "$program"
