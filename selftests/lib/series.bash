# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Kernels with a part of the series in patches/, made from the one that is there.
#
# Its source and its build folder are seen through overlays, where they are: so only what a
# patch changes is made anew, and what others use stays as it is. For that the test needs
# a mount namespace of its own.

OUT=$SMC_RS_TEST_OUT
mapfile -t PATCHES < <(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$SMC_RS_TOP/patches/series")
LAST=${#PATCHES[@]}
# What the series changes, as objects.
mapfile -t TOUCHED < <(cd "$SMC_RS_TOP/patches" && sed -n 's,^+++ b/\(.*\)\.c$,\1.o,p' "${PATCHES[@]}" | sort -u)

# see_through NAME FOLDER [WHERE]: FOLDER as it is, to be changed at will
see_through() {
	mkdir -p "$OUT/over/$1/upper" "$OUT/over/$1/work" "${3:-$2}" &&
		mount -t overlay overlay -o "lowerdir=$2,upperdir=$OUT/over/$1/upper,workdir=$OUT/over/$1/work" "${3:-$2}"
}

# kmake FOLDER TARGET...: as the kernel was built
kmake() {
	(
		. "$SMC_RS_TOP/scripts/env.sh"
		load_toolchain
		exec nice -n 15 make -C "$SMC_RS_LINUX" O="$1" "${KMAKE[@]}" -j"$(nproc)" "${@:2}"
	)
}

# logged NAME COMMAND...: how many files that has made is a figure
logged() {
	local log=$OUT/$1.log start=$SECONDS
	"${@:2}" > "$log" 2>&1 || { grep -nE 'error|Error|undefined' "$log" | head -n 10; tail -n 20 "$log"; return 1; }
	echo "$1: $(grep -cE '^  (CC|AS|LD|AR|RUSTC)( \[M\])? ' "$log") files made in $((SECONDS - start)) s" |
		tee -a "$OUT/figures"
}

# series_to N: the source, which has N + 1 patches, has N
series_to() { (cd "$SMC_RS_LINUX" && patch -R -p1 -F0 --no-backup-if-mismatch < "$SMC_RS_TOP/patches/${PATCHES[$1]}"); }
whole_series() {
	local p
	for p in "${PATCHES[@]}"; do
		(cd "$SMC_RS_LINUX" && patch -p1 -F0 --no-backup-if-mismatch < "$SMC_RS_TOP/patches/$p") || return 1
	done
}

# keep FOLDER NAME: what a guest needs of a build
keep() {
	local to=$OUT/kernels/$2
	mkdir -p "$to/net/smc" "$to/include/config" && cp "$1"/net/smc/*.ko "$to/net/smc/" &&
		cp "$1/include/config/kernel.release" "$to/include/config/" &&
		cp "$1/arch/x86/boot/bzImage" "$to/bzImage.boot"
}

# module NAME FOLDER: ours for that build; what was said about the kernel is in the log
module() {
	logged "$1" env SMC_RS_BUILD="$OUT/$1" nice -n 15 "$SMC_RS_TOP/scripts/module.sh" modules "$2" &&
		cp "$(SMC_RS_BUILD="$OUT/$1" "$SMC_RS_TOP/scripts/module.sh" path "$2")" "$OUT/$1/"
}

# configure FOLDER LINE...: a build of its own, without Rust, with these lines; in its
# symbols' place if they are among what the tests' kernels have
configure() {
	local kdir=$1 line file=$OUT/$(basename "$1").config
	shift
	mkdir -p "$kdir" && cp "$SMC_RS_SELFTESTS/config" "$file" || return 1
	for line in '# CONFIG_RUST is not set' "$@"; do
		sed -i "/^\(# \)\?$(grep -o 'CONFIG_[A-Z0-9_]*' <<< "$line")[ =]/d" "$file" && echo "$line" >> "$file"
	done
	kmake "$kdir" KCONFIG_ALLCONFIG="$file" allnoconfig > "$file.log" 2>&1 || { tail "$file.log"; return 1; }
	for line; do grep -qxF "$line" "$kdir/.config" || { echo "not $line"; return 1; }; done
}

# nested NAME TEST KDIR MODULE [VARIABLE=VALUE...]: a test of series_tests, in guests with
# that kernel and module
nested() {
	env SMC_RS_KDIR_BASE="$3" SMC_RS_MODULE_BASE="$4" "${@:5}" \
		python3 -m harness --out "$OUT/$1" --only "$2" series_tests > "$OUT/$1.tap" 2> "$OUT/$1.err"
	local status=$?
	sed -n 's/^ *# \(.* round trips, .*\)/\1/p' "$OUT/$1.tap" >> "$OUT/figures"
	[ $status = 0 ] || cat "$OUT/$1.tap" "$OUT/$1.err"
	return $status
}
