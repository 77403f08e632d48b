#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# linker.sh RUSTC CC LD: a linker that reads what both compilers write as LLVM's
# bitcode, or nothing.  Bitcode is read by that version of LLVM and by later ones.
# The kernel's linker comes with its C compiler; rustc most often has one of its own.

# A job of make, but not one that runs jobs.
unset MAKEFLAGS MFLAGS

major() { sed -nE "s/$1([0-9]+).*/\\1/p" | head -n 1; }

rustc=$("$1" -vV | major 'LLVM version: ')
cc=$("$2" --version | major '.*clang version ')
[ -n "$rustc" ] && [ -n "$cc" ] || exit 0
for ld in "$3" "$("$1" --print sysroot)"/lib/rustlib/*/bin/gcc-ld/ld.lld; do
	v=$("$ld" --version 2> /dev/null | major '.*LLD ')
	if [ -n "$v" ] && [ "$v" -ge "$rustc" ] && [ "$v" -ge "$cc" ]; then
		echo "$ld"
		break
	fi
done
