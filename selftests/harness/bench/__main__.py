# SPDX-License-Identifier: GPL-2.0
"""python3 -m harness.bench collect FOLDER | compare A B

collect: what bench.sh has measured, below FOLDER, as one JSON file in it.
"""

import json
import re
import sys
from pathlib import Path

from . import compare, raw

PARTS = {"fallback": raw.fallback, "data": raw.data, "floor": raw.floor}


def collect(folder: Path) -> Path:
    """Puts together what there is: a part that was not measured is null."""
    demo = folder / "demo" / "demo.json"
    bench = {"format": compare.FORMAT, "about": {},
             "demo": json.loads(demo.read_text(encoding="utf-8")) if demo.exists() else None}
    if bench["demo"] is None:
        raise ValueError(f"{demo} is not there")
    bench["about"] = bench["demo"]["about"]
    for part, read in PARTS.items():
        values = folder / "tests" / f"bench-{part}.sh" / "raw"
        bench[part] = read(values.read_text(encoding="utf-8")) if values.exists() else None
    name = re.sub(r"[^A-Za-z0-9.]+", "-", bench["about"]["revision"])
    path = folder / f"{name}.json"
    path.write_text(json.dumps(bench, indent=1) + "\n", encoding="utf-8")
    return path


def main(args) -> int:
    try:
        if args[:1] == ["collect"] and len(args) == 2:
            print(collect(Path(args[1])))
            return 0
        if args[:1] == ["compare"] and len(args) == 3:
            a, b = (json.loads(Path(p).read_text(encoding="utf-8")) for p in args[1:])
            sys.stdout.write(compare.report(a, b))
            return 0
    except (OSError, ValueError) as e:
        sys.stderr.write(f"smc_rs: {e}\n")
        return 1
    sys.stderr.write(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
