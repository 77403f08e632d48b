#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Installs what the build and the tests need and this machine lacks.  Does
# nothing, quickly, where everything is there.  Debian 12 and 13, as root;
# elsewhere it names what is missing.
. "$(dirname "$0")/env.sh"

packages=(
	# the kernel and the module
	linux-source-6.12 make gcc libc6-dev libelf-dev libssl-dev bc flex bison
	dwarves cpio kmod rsync xz-utils perl
	"clang-$LLVM_WANTED" "lld-$LLVM_WANTED" "llvm-$LLVM_WANTED" "libclang-$LLVM_WANTED-dev"
	# the guests and what runs in them
	qemu-system-x86 busybox-static iproute2 rdma-core ibverbs-utils libibverbs-dev iputils-ping procps
	ethtool tcpdump tshark libnl-genl-3-dev pkg-config python3 python3-venv nginx-light wrk
	redis-tools iperf3 curl
	# what is installed on real machines
	debhelper dkms
)
# The same without apt: what must be found, and what it is for.
commands=(make gcc bc flex bison pahole cpio depmod rsync xz perl
	  qemu-system-x86_64 busybox ip rdma tcpdump tshark pkg-config python3 nginx wrk
	  redis-benchmark iperf3 curl)

missing_packages() {
	local p
	declare -A have=()
	while read -r p; do have[${p%%:*}]=1; done < <(
		dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
		sed -n 's/^installed //p')
	for p in "$@"; do [ -n "${have[$p]:-}" ] || echo "$p"; done
}

apt_updated=
apt_install() {
	local missing
	mapfile -t missing < <(missing_packages "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || die "not root, and these packages are missing: ${missing[*]} (as root: apt-get install ${missing[*]})"
	if [ -z "$apt_updated" ]; then
		say "updating apt's lists"
		quietly apt-get update || die "apt-get update failed"
		apt_updated=1
	fi
	say "installing ${missing[*]}"
	DEBIAN_FRONTEND=noninteractive quietly apt-get install -y --no-install-recommends "${missing[@]}" ||
		die "apt-get could not install ${missing[*]}"
}

system_packages() {
	local c
	if command -v apt-get >/dev/null; then
		apt_install "${packages[@]}"
		return
	fi
	for c in "${commands[@]}"; do
		command -v "$c" >/dev/null ||
			die "'$c' is missing and there is no apt-get: install it with your system's package manager"
	done
	llvm_suffix >/dev/null || die "clang, lld and llvm >= $LLVM_MIN are missing: install them with your system's package manager"
}

# rustc and the source of its library must be of one version: a rustc that has
# its rust-src, else rustup's, else Debian's pair.
rust() {
	local from
	if ! command -v rustc >/dev/null; then
		from="Debian's packages"
		rust_from_debian
	elif ! version_ge "$(rustc --version | cut -d' ' -f2 | cut -d- -f1)" "$RUSTC_MIN"; then
		command -v rustup >/dev/null && die "$(rustc --version) is older than $RUSTC_MIN: run 'rustup update'"
		from="Debian's packages"
		rust_from_debian
	elif rust_lib_src >/dev/null; then
		from="found with its library source"
	elif command -v rustup >/dev/null; then
		from="found, library source by rustup"
		say "adding rust-src to $(rustc --version) by rustup"
		quietly rustup component add rust-src ||
			die "rustup could not add rust-src: run 'rustup component add rust-src' by hand"
	else
		from="Debian's packages"
		rust_from_debian
	fi
	rust_lib_src >/dev/null || die "$(rustc --version) has no library source beside it: install rust-src of the same version"
	for c in rustfmt clippy; do
		[ -x "$(rust_sysroot)/bin/${c/clippy/clippy-driver}" ] && continue
		command -v rustup >/dev/null || die "$c is missing beside $(rustc --version): install it"
		quietly rustup component add $c || die "rustup could not add $c"
	done
	command -v cargo >/dev/null || die "cargo is missing beside $(rustc --version): install it"
	say "using $(rustc --version), $from"
}

rust_from_debian() {
	. /etc/os-release
	case "${ID:-}:${VERSION_ID:-}" in
	debian:12) apt_install rustc-web rust-web-src rust-web-clippy rustfmt-web cargo-web ;;
	debian:*)  apt_install rustc rust-src rust-clippy rustfmt cargo ;;
	*) die "no usable rustc >= $RUSTC_MIN with its library source: install one with rustup" ;;
	esac
	hash -r
}

bindgen_tool() {
	find_bindgen >/dev/null && return
	if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] &&
	   version_ge "$(apt-cache policy bindgen 2>/dev/null | sed -n 's/.*Candidate: *\([0-9.]*\).*/\1/p')" "$BINDGEN_MIN"; then
		apt_install bindgen
		return
	fi
	say "building bindgen $BINDGEN_VERSION (a minute)"
	quietly cargo install --locked --version "$BINDGEN_VERSION" \
		--root "$TOOLS/bindgen-$BINDGEN_VERSION" bindgen-cli ||
		die "cargo could not install bindgen-cli $BINDGEN_VERSION"
}

# The packages of the system's python are left alone.
python_tools() {
	[ -e "$VENV/.complete" ] && return
	say "installing virtme-ng $VIRTME_NG_VERSION in a virtual environment"
	rm -rf "$VENV"
	quietly /usr/bin/python3 -m venv "$VENV" || die "python3 -m venv failed: is python3-venv installed?"
	quietly "$VENV/bin/pip" install --disable-pip-version-check \
		"virtme-ng==$VIRTME_NG_VERSION" || die "pip could not install virtme-ng $VIRTME_NG_VERSION"
	touch "$VENV/.complete"
}

mkdir -p "$TOOLS"
exec 9>"$CACHE/setup.lock"
flock 9
system_packages
rust
bindgen_tool
python_tools
