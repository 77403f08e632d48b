#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The rules that a tool can check: formatting, lints, where unsafe may be, that
# every C struct Rust names has its layout checked, checkpatch.
#
# limit: 600
. "$SMC_RS_SELFTESTS/lib/lib.sh"
cd "$SMC_RS_TOP" || exit 1

sources() { find "$@" -name '*.rs' ! -path '*/target/*' ! -path '*/fuzz/*'; }

# `unsafe` as code: not in a comment, an attribute or the name of a lint.
unsafe_outside() {
	! sources rust -type f | grep -vE '^rust/(abstractions|bindings)/' |
		xargs grep -nE '\bunsafe\b' | grep -vE ':[0-9]+:\s*(//|#!?\[)'
}

argued() {
	! sources rust/abstractions rust/smc -type f | xargs awk '
		/SAFETY:|# Safety/ { seen = FNR }
		FNR == 1 { seen = -99 }
		/unsafe (\{|impl)/ && FNR - seen > 8 { print FILENAME ":" FNR ": " $0; bad = 1 }
		END { exit !bad }'
}

# Types of the bindings that the abstractions name, less those not structs.
layouts() {
	local generated missing=0 t
	generated=$(dirname "$SMC_RS_MODULE_BASE")/rust/bindings/bindings_generated.rs
	for t in $(sources rust/abstractions -type f | xargs grep -ohE '\bbindings::[a-z_0-9]+' | sed 's/.*:://' | sort -u); do
		grep -qE "^pub struct $t \{" "$generated" || continue
		# Types that are only passed on by pointer need no layout.
		grep -qE "^SIZE\($t\);" rust/bindings/layout.h && continue
		grep -rqE "\bbindings::$t\b[^>)]*[{.]|zeroed|Opaque<bindings::$t>" --include=*.rs rust/abstractions || continue
		# Only ever pointed to; net_generic is a function, sockptr_t a type without
		# a struct's name.
		case $t in net | dst_entry | lock_class_key | pipe_inode_info | request_sock | sk_buff) continue ;; esac
		case $t in sockptr_t | workqueue_struct | ctl_table_header | ib_cq | page) continue ;; esac
		echo "rust/bindings/layout.h has no SIZE($t)"
		missing=1
	done
	return $missing
}

# The symbols that it wants from elsewhere: core's, and what rustc makes of moves
# and comparisons. In the object that clippy has left, which is never bitcode.
calls_core_only() {
	local symbols
	symbols=$(nm -u "$(dirname "$SMC_RS_MODULE_BASE")-clippy/rust/proto/smc_proto.o") || return 1
	[ -n "$symbols" ] && ! grep -vE ' U (_R.*_4core[0-9].*|bcmp|memcmp|memcpy|memmove|memset)$' <<< "$symbols"
}

# Every line of layout.h has become an assertion.
layouts_generated() {
	local generated
	generated=$(dirname "$SMC_RS_MODULE_BASE")/rust/bindings/layout_generated.rs
	[ "$(grep -cE '^(SIZE|FIELD)\(' rust/bindings/layout.h)" -eq "$(grep -c '^const _: () = assert!' "$generated")" ]
}

# Without a git tree it leaves out spdxcheck.py, which wants the kernel's own.
checkpatch_pl() {
	GIT_DIR=/nonexistent "$SMC_RS_LINUX/scripts/checkpatch.pl" --root "$SMC_RS_LINUX" \
		--no-summary --terse --show-types --max-line-length=100 "$@"
}

checkpatch() {
	local files
	mapfile -t files < <(find rust selftests \( -name '*.c' -o -name '*.h' \) -type f ! -path '*/target/*')
	# What programs of the kselftest harness look like: TEST_F(...) {, and user space.
	# A weak declaration is how the module asks for what not every kernel has.
	[ ${#files[@]} -gt 0 ] && checkpatch_pl --ignore \
		SPACING,VOLATILE,SPLIT_STRING,MACRO_WITH_FLOW_CONTROL,ENOSYS,EMBEDDED_FUNCTION_NAME,PREFER_DEFINED_ATTRIBUTE_MACRO,LINE_SPACING,WEAK_DECLARATION \
		-f "${files[@]}"
}

patches_checkpatch() {
	local p bad=0
	while read -r p; do
		checkpatch_pl "patches/$p" || bad=1
	done < <(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' patches/series)
	return $bad
}

spdx() {
	! git ls-files | grep -E '\.(rs|c|h|sh|py|rst)$|Makefile$|Kbuild$' | while read -r f; do
		head -n 3 "$f" | grep -q 'SPDX-License-Identifier: GPL-2.0' || echo "$f"
	done | grep .
}


plan 10
check "rustfmt" make -s fmt-check
check "clippy, with the kernel's lints, without a warning" make -s clippy
check "unsafe is in the abstractions and bindings only" unsafe_outside
check "and argued for" argued
check "the protocol allocates nothing and calls nothing of the kernel" calls_core_only
check "the C structs that Rust names have their layout checked" layouts
check "by assertions" layouts_generated
check "checkpatch has nothing to say of the C code" checkpatch
check "nor of the patches" patches_checkpatch
check "licences are marked" spdx
finish
