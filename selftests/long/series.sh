#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The series in patches/: with each patch, from none to all, the kernel builds and boots;
# structs stay as large as they are, and where there is no SMC also the code as it is; what
# is asked where SMC may be is behind the static key. And hosts of which one or both have a
# kernel without it.
#
# limit: 7200
[ -n "${SERIES_NAMESPACE:-}" ] || SERIES_NAMESPACE=1 exec unshare --mount --propagation private "$0"
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/lib/series.bash"

STRUCTS=(sock inet_connection_sock tcp_sock request_sock tcp_request_sock tcp_options_received sk_buff)
kdir=$SMC_RS_KDIR_BASE
suffix=$(. "$SMC_RS_TOP/scripts/env.sh"; llvm_suffix)
llvm_objdump() { "llvm-objdump$suffix" "$@"; }

overlays() { see_through jump "$kdir" "$OUT/jump" && see_through source "$SMC_RS_LINUX" && see_through build "$kdir"; }

# ---- each of its parts -------------------------------------------------------

# builds N: of what is there, less a patch
builds() {
	[ "$1" = "$LAST" ] || series_to "$1" || return 1
	logged "$1-patches" kmake "$kdir" bzImage modules && keep "$kdir" "$1"
}
boots() { nested "boot-$1" boots "$OUT/kernels/$1" none; }

# ---- what the compiler says of it --------------------------------------------

# Both without Rust, which has nothing to do with it. W=1 and debug information change no
# code.
debug_folder() {
	configure "$OUT/debug" CONFIG_JUMP_LABEL=y CONFIG_DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT=y CONFIG_SMC=m
}
no_smc_folder() {
	configure "$OUT/no-smc" CONFIG_JUMP_LABEL=y '# CONFIG_SMC is not set' && ! grep CONFIG_SMC_ "$OUT/no-smc/.config"
}
# objects FOLDER N TARGET...: kept, as what N patches make of them
objects() {
	logged "$(basename "$1")-$2" kmake "$1" W=1 "${@:3}" && mkdir -p "$1-$2" &&
		(cd "$1" && cp "${TOUCHED[@]}" "$OUT/$(basename "$1")-$2")
}
with_debug() { objects "$OUT/debug" "$1" "${TOUCHED[@]}"; }
without_smc() { objects "$OUT/no-smc" "$@"; }
# The lines that they are about are others with each patch.
warnings() {
	grep -hE '(warning|error):' "$OUT/$1-$2.log" |
		grep -E "$(IFS='|'; echo "${TOUCHED[*]%.o}")|net/tcp\.h|linux/tcp\.h" | sed 's/:[0-9]*:[0-9]*:/:/' | sort
}
no_warning() {
	local f
	for f in debug no-smc; do
		echo "$f: $(warnings $f 0 | wc -l) with W=1 in files of the series without it" | tee -a "$OUT/figures"
		diff <(warnings $f 0) <(warnings $f "$LAST") || return 1
	done
}

# A line for each instruction and relocation, with its function and no addresses.
code() {
	llvm_objdump -dr --no-show-raw-insn "$1" | sed -E 's/^[[:space:]]*[0-9a-f]+:[[:space:]]*//; s/0x[0-9a-f]+ (<)/\1/; s/([[:space:]]+# )0x/\1/' |
		awk '/^[0-9a-f]+ <.*>:$/ { f = substr($2, 2, length($2) - 3); next } f && NF { print f ": " $0 }'
}
# Where a cookie is kept it is kept by a pointer.
same_code() {
	local o
	for o in "${TOUCHED[@]##*/}"; do
		[ "$(code "$OUT/no-smc-0/$o" | wc -l)" -gt 500 ] || { echo "no code in $o"; return 1; }
		diff <(code "$OUT/no-smc-0/$o") <(code "$OUT/no-smc-$LAST/$o")
	done > "$OUT/code.diff"
	sed -nE 's/^[<>] ([^:]*): .*/\1/p' "$OUT/code.diff" | sort -u > "$OUT/other-code"
	diff "$OUT/other-code" - <<< tcp_fastopen_cache_set
}

layout() { pahole -C "$2" "$OUT/debug-$1/tcp_input.o"; }
members() { layout "$1" "$2" | grep -v '/\* \(size\|sum members\|.*holes\):\|bytes hole'; }
size() { sed -n 's,^\t/\* size: \([0-9]*\)\, .*,\1,p'; }
sizes() {
	local s before after
	for s in "${STRUCTS[@]}"; do
		before=$(layout 0 "$s" | size) after=$(layout "$LAST" "$s" | size)
		echo "struct $s: $before bytes, and $after" | tee -a "$OUT/figures"
		[ -n "$before" ] && [ "$before" = "$after" ] || return 1
	done
}
# A member more, where there was a hole, and nothing else is at another place.
hole() {
	local s
	for s in "${STRUCTS[@]}"; do diff <(members 0 "$s") <(members "$LAST" "$s"); done | grep '^[<>]' > "$OUT/members"
	cat "$OUT/members"
	grep -A 8 'syn_smc;' <(layout 0 tcp_sock) | sed '/smc_hs_congested/q'
	grep -A 8 'syn_smc;' <(layout "$LAST" tcp_sock) | sed '/smc_hs_congested/q'
	[ "$(wc -l < "$OUT/members")" = 1 ] && grep -E '^>[[:space:]]+bool +syn_smc_data; ' "$OUT/members" &&
		grep -A 3 'syn_smc;' <(layout 0 tcp_sock) | grep ' 7 bytes hole' &&
		grep -A 3 'syn_smc_data;' <(layout "$LAST" tcp_sock) | grep ' 6 bytes hole'
}
# Slabs of kmalloc() have 96 and 192 bytes, or a power of two.
slab() { printf '%s\n' 8 16 32 64 96 128 192 256 512 1024 | awk -v n="$1" '$1 >= n { print; exit }'; }
metrics() {
	local before after
	before=$(pahole -C tcp_metrics_block "$OUT/debug-0/tcp_metrics.o" | size)
	after=$(pahole -C tcp_metrics_block "$OUT/debug-$LAST/tcp_metrics.o" | size)
	echo "struct tcp_metrics_block: $before bytes, and $after, of $(slab "$before")" | tee -a "$OUT/figures"
	[ "$after" = $((before + 24)) ] && [ "$(slab "$before")" = "$(slab "$after")" ]
}

# ---- the static key ----------------------------------------------------------

branches() { (cd "$OUT/debug-$1" && "$SMC_RS_SELFTESTS/lib/static_branches.py" tcp_have_smc "${TOUCHED[@]##*/}"); }
# What the compiler has put into what is its own.
CONN_REQUEST='tcp_conn_request|smc_fastopen_refused'
SYN_SENT='tcp_rcv_state_process|tcp_rcv_synsent_state_process|smc_syn_data_astray'
CONNECT='tcp_connect|tcp_send_syn_data|smc_syn_data_allowed'
CHILD='tcp_create_openreq_child|smc_check_reset_syn_req'
COOKIES='tcp_fastopen_cache_get|tcp_fastopen_cache_set|tcp_fastopen_cookie_slot'

# Where the series asks the key: nothing is done there until it is switched.
keys() {
	local f
	branches 0 > "$OUT/branches-0"
	branches "$LAST" > "$OUT/branches-$LAST"
	diff "$OUT/branches-0" "$OUT/branches-$LAST" | grep '^[<>]' | tee -a "$OUT/figures"
	for f in "$CONN_REQUEST" "$SYN_SENT" "$CONNECT"; do
		diff "$OUT/branches-0" "$OUT/branches-$LAST" | grep -qE "^> .* ($f) [0-9]+ nop$" || { echo "not in $f"; return 1; }
	done
	! grep -v ' nop$' "$OUT/branches-$LAST"
}

# The flag is of interest where a SYN is answered or sent, or a cookie is kept; code of
# established connections has nothing of it.
askers() {
	local at o
	at=$(layout "$LAST" tcp_sock | sed -n 's,.* syn_smc_data; */\* *\([0-9]*\) .*,\1,p')
	for o in "${TOUCHED[@]##*/}"; do
		llvm_objdump -d --no-show-raw-insn "$OUT/debug-$LAST/$o" | awk -v at="$(printf '0x%x(' "$at")" '
			/^[0-9a-f]+ <.*>:$/ { f = substr($2, 2, length($2) - 3) } index($0, at) { print f }'
	done | sort -u > "$OUT/askers"
	cat "$OUT/askers"
	[ "$(wc -l < "$OUT/askers")" -ge 6 ] && ! grep -vxE "$CONN_REQUEST|$SYN_SENT|$CONNECT|$CHILD|$COOKIES|tcp_fastopen_smc_only" "$OUT/askers"
}

# The instructions as they are patched. One CPU: emulated ones run into what another
# has just patched (selftests/config).
jump_builds() {
	whole_series && "$SMC_RS_LINUX/scripts/config" --file "$OUT/jump/.config" --enable JUMP_LABEL &&
		kmake "$OUT/jump" olddefconfig && grep -x CONFIG_JUMP_LABEL=y "$OUT/jump/.config" &&
		logged jump kmake "$OUT/jump" bzImage modules && keep "$OUT/jump" jump
}
jump_module() { module module-jump "$OUT/jump" && ! grep 'has not the series' "$OUT/module-jump.log"; }
jump_boots() { nested jump-boot boots "$OUT/kernels/jump" none SMC_RS_CPUS=1; }
jump_in_syn() { nested jump-in-syn in-syn "$OUT/kernels/jump" "$OUT/module-jump/smc_rs.ko" SMC_RS_CPUS=1; }

# ---- hosts without it --------------------------------------------------------

module_without() { module module-0 "$kdir" && grep 'has not the series in patches/' "$OUT/module-0.log"; }
OLD=$OUT/kernels/0 OLD_MODULE=$OUT/module-0/smc_rs.ko
one_without() {
	nested one-without pair "$OUT/kernels/$LAST" "$SMC_RS_MODULE_BASE" SMC_RS_KDIR_CLIENT="$OLD" SMC_RS_MODULE_CLIENT="$OLD_MODULE" \
		SERIES_SERVER=can SERIES_CLIENT=cannot
}
# One of them has the module that was built for a kernel with the series: it is the same.
both_without() {
	nested both-without pair "$OLD" "$OLD_MODULE" SMC_RS_KDIR_SERVER="$OLD" SMC_RS_MODULE_SERVER="$SMC_RS_MODULE_BASE" \
		SERIES_SERVER=cannot SERIES_CLIENT=cannot
}

plan $((2 * (LAST + 1) + 21))
check "what is there is seen through overlays" overlays
check "a build with debug information and jump labels" debug_folder
check "one without SMC" no_smc_folder
told "without SMC: net/ipv4 and net/core build, with W=1" without_smc "$LAST" net/core/ net/ipv4/ net/ipv6/tcp_ipv6.o
told "with it, and debug information: what the series changes builds, with W=1" with_debug "$LAST"
for n in $(seq "$LAST" -1 0); do
	told "$n patches: it builds" builds "$n"
	check "$n patches: it boots, and has TCP, Fast Open and the C module" boots "$n"
done
told "none: what the series changes, without SMC" without_smc 0 "${TOUCHED[@]}"
told "none: the same with debug information" with_debug 0
told "no new warning" no_warning
check "without SMC the code is the same, but for one function of Fast Open" same_code
told "structs are as large as they were" sizes
check "what is new has a hole in struct tcp_sock, and nothing else has moved" hole
told "tcp_metrics has its 24 bytes where the slab had them to spare" metrics
told "where the static key is asked: it does nothing until it is on" keys
check "code of established connections asks nothing" askers
told "none: the module is built, and that says what the kernel lacks" module_without
told "one host without the series: two round trips, each the client once" one_without
told "both hosts without it" both_without
told "all, with jump labels: it builds" jump_builds
told "and the module" jump_module
check "it boots, the key goes on and off" jump_boots
check "a proposal in a SYN is taken" jump_in_syn
finish
