#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""rust_analyzer.py KERNEL_PROJECT TOP FARM > rust-project.json

The kernel's own rust-project.json with the crates of this module: the
kernel's generator finds a crate only where a Kbuild file stands beside it.
TOP is where the sources are edited, FARM where the generated ones are.
"""

import json
import sys


def main() -> None:
    kernel_project, top, farm = sys.argv[1:]
    with open(kernel_project, encoding="utf-8") as f:
        project = json.load(f)
    crates = project["crates"]
    index = {crate["display_name"]: i for i, crate in enumerate(crates)}
    kernel = crates[index["kernel"]]

    def add(name: str, root: str, *deps: str) -> None:
        crates.append({
            "display_name": name,
            "root_module": root,
            "is_workspace_member": True,
            "is_proc_macro": False,
            "deps": [{"crate": index[d], "name": d} for d in deps],
            "cfg": kernel["cfg"] + ["MODULE"],
            "edition": "2021",
            "env": {"RUST_MODFILE": "This is only for rust-analyzer"},
        })
        index[name] = len(crates) - 1

    # The bindings include what was generated beside them.
    add("smc_bindings", f"{farm}/rust/bindings/smc_bindings.rs", "core", "kernel")
    add("smc_proto", f"{top}/rust/proto/smc_proto.rs", "core")
    add("smc_rs", f"{top}/rust/smc_rs.rs", "core", "kernel", "smc_bindings", "smc_proto")
    json.dump(project, sys.stdout, sort_keys=True, indent=4)


if __name__ == "__main__":
    main()
