# shellcheck shell=bash
# Sourced by scripts/demo, scripts/package and scripts/test. Expects `set -euo pipefail` and the repository as working directory.

# Reads ninja's lines ("done total what") and shows one moving line (terminal), or a line every ten percent.
show_build_progress() {
	local line finished total what shown=-1
	while IFS= read -r line; do
		[[ $line =~ ^@([0-9]+)\ ([0-9]+)\ (.*)$ ]] || continue
		finished=${BASH_REMATCH[1]} total=${BASH_REMATCH[2]} what=${BASH_REMATCH[3]}
		if [ -t 2 ]; then
			printf '\r\033[K  %s of %s: %.70s' "$finished" "$total" "$what" >&2
		elif [ "$((finished * 10 / total))" != "$shown" ]; then
			shown=$((finished * 10 / total))
			printf '  %s of %s: %s\n' "$finished" "$total" "$what" >&2
		fi
	done
	if [ -t 2 ]; then printf '\r\033[K' >&2; fi
}

# configure_into DIR SANITIZE: CMake; when it fails, what it said is shown.
configure_into() {
	mkdir -p "$1"
	if ! cmake -S . -B "$1" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DWARMCAST_SANITIZE="$2" >"$1/configure.log" 2>&1; then
		sed 's/^/  | /' "$1/configure.log" >&2
		return 1
	fi
}

# build_into DIR SANITIZE [TARGET...]: configures and builds; when it fails, what the compiler said is shown.
build_into() {
	local dir=$1
	configure_into "$1" "$2" || return 1
	shift 2
	build_targets "$dir" "$@"
}

# build_targets DIR [TARGET...]: the same of a folder that is configured.
build_targets() {
	local dir=$1
	shift
	# -k 0: one run shows every error.
	if ! NINJA_STATUS='@%f %t ' ninja -C "$dir" -k 0 "$@" 2>&1 | tee "$dir/build.log" | show_build_progress; then
		{ grep -vE '^@|^ninja: (Entering|no work)' "$dir/build.log" || true; } | sed 's/^/  | /' >&2
		return 1
	fi
}
