#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A shell in a guest with the module loaded: what `make shell` runs.  The guest
# sees this host's files read-only; what it writes is gone with it.
. "$(dirname "$0")/../scripts/env.sh"

kdir=$("$TOP/scripts/kernel.sh" kdir "${1:-base}")
rc=$(mktemp -d)
trap 'rm -rf "$rc"' EXIT
cat > "$rc/shell" <<SHELL
#!/bin/bash
export SMC_RS_HOST=server SMC_RS_LIB=$TOP/selftests/lib SMC_RS_KDIR=$kdir HOME=/tmp
export SMC_RS_MODULE=$("$TOP/scripts/module.sh" path "$kdir")
export PATH=$BUILD/progs:/usr/local/sbin:/usr/sbin:/sbin:\$PATH
. \$SMC_RS_LIB/guest.sh
ip link set lo up
module_in smc_rs && echo "smc_rs is loaded; leave with exit or ^D"
exec bash --norc
SHELL
chmod +x "$rc/shell"
export PATH=$VENV/bin:$PATH
"$TOP/selftests/lib/boot.sh" vng --run "$kdir/bzImage.boot" --force-9p --user root --name smc_rs \
	--cpus 2 --memory 1G --disable-kvm --rodir "$rc" --shell "$rc/shell"
