# SPDX-License-Identifier: GPL-2.0
"""One HTML page with tables and charts in it: nothing is loaded from elsewhere."""

from html import escape
from typing import Dict, List

from . import text
from .plan import BASE, LATENCY_RTT_MS, ROWS, WIRES
from .results import Results

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem;
       color: #1f2328; background: #fff; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
p.about { color: #59636e; font-size: .875rem; margin-top: .2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .7rem; text-align: right; border-bottom: 1px solid #d1d9e0; white-space: nowrap; }
th:first-child { text-align: left; } thead th { color: #59636e; font-weight: 500; }
td small { color: #59636e; display: block; }
.bad { color: #cf222e; font-weight: 600; }
svg { max-width: 100%; height: auto; }
dt { font-weight: 600; } dd { margin: 0 0 .5rem 1.2rem; }
code, pre { font-size: .9em; } pre { overflow-x: auto; }
@media (prefers-color-scheme: dark) {
body { color: #e6edf3; background: #0d1117; }
p.about, thead th, td small { color: #9198a1; }
th, td { border-color: #3d444d; } .bad { color: #ff7b72; }
}
"""

HANDSHAKES = """client                                         server
  SYN, SMC option, cookie, proposal  --------->
           <---------  SYN-ACK, SMC option, proposal acknowledged
           <---------  accept: where its buffer is
  confirm: where mine is             --------->
  connect() has returned; what follows goes by RDMA"""


def load_table(results: Results, wire: str) -> str:
    columns = results.columns(wire)
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = []
    for row in text.row_names(results):
        cells = []
        for column in columns:
            cell = results.cell(wire, row, column)
            if cell is None:
                cells.append("<td></td>")
            elif cell.problem:
                cells.append(f'<td class="bad" title="{escape(cell.problem)}">failed</td>')
            else:
                cells.append(f"<td>{text.ratio(results.ratio(cell))}"
                             f"<small>{text.number(cell.rate)}/s</small></td>")
        body.append(f"<tr><th>{escape(row)}</th>{''.join(cells)}</tr>")
    return (f'<div class="scroll"><table><thead><tr><th></th>{head}</tr></thead>'
            f"<tbody>{''.join(body)}</tbody></table></div>")


def failures(results: Results) -> List[str]:
    found = results.failures()
    if not found:
        return ["<p>No connection failed, and none fell back to TCP: wrk has seen no socket "
                "error, the modules have counted a connection over RDMA for every request and "
                "no fallback at either end.</p>"] if results.load else []
    return ['<h2 class="bad">What failed</h2>', listed(found)]


def listed(lines: List[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def page(results: Results, charts: Dict[str, str]) -> str:
    """`charts` by their names in output.py."""
    a = results.about
    parts = [
        "<!DOCTYPE html>",
        "<!-- SPDX-License-Identifier: GPL-2.0 -->",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>smc_rs: short connections</title><style>{STYLE}</style></head><body>",
        "<h1>Short connections over TCP and SMC</h1>",
        '<p class="about">' + "<br>".join(escape(line) for line in text.about(results)) + "</p>",
        "<p>SMC moves the bytes of a TCP socket by RDMA, without a change to the program. Before "
        "that the two ends must tell each other where their buffers are, and for a connection "
        "that lives for one request this handshake is most of what it costs. The kernel's C "
        "module takes four round trips for it. This module needs two, and only one where the "
        "proposal travels in TCP's SYN.</p>",
        f"<pre>{escape(HANDSHAKES)}</pre>",
        "<p>nginx serves a small file to wrk, with a new connection for every request "
        "(<code>Connection: close</code>). Columns are wrk's connections at a time and its "
        "threads, rows the same two programs over:</p>",
        "<dl>" + "".join(f"<dt>{escape(row.name)}</dt><dd>{escape(row.about)}</dd>"
                         for row in ROWS) + "</dl>",
        *failures(results),
    ]
    for wire in WIRES:
        if wire.name in results.wires():
            parts += [f"<h2>Requests: {wire.title}</h2>", charts[f"requests-{wire.name}"],
                      f"<p>Large: the ratio to {BASE} under the same load in the same run. "
                      "Small: requests per second.</p>", load_table(results, wire.name)]
    for name, title in (("latency", "Latency"), ("frames", "Frames"), ("memory", "Memory")):
        if name in charts:
            parts += [f"<h2>{title}</h2>", charts[name], EXPLAINED[name]]
    if results.notes:
        parts += ["<h2>Besides</h2>", listed(results.notes)]
    parts += ["<h2>How it is measured</h2>", MEASURED.format(**{
        k: escape(str(a[k])) for k in ("accel", "guest_cpus", "cpu", "cores")})]
    return "\n".join(parts) + "\n</body></html>\n"


EXPLAINED = {
    "latency":
        f"<p>The median of connect(2)'s times with {LATENCY_RTT_MS} ms there and back, in round "
        "trips, in a link group that exists. What is above a whole number is the processor's "
        "share, which is large in an emulated guest.</p>",
    "frames":
        "<p>Ethernet frames both ways, from the SYN to the last acknowledgement of a connection "
        "by itself, as the interface and the RDMA device of the client count them.</p>",
    "memory":
        "<p>What idle connections have added to the memory of both kernels, by each: "
        "<code>/proc/meminfo</code>'s total less what is free, caches, the memory of "
        "processes, their page tables and stacks. Most of it is the buffers (net.smc.wmem, "
        "net.smc.rmem), which SMC has to have before the first byte; TCP makes them as bytes "
        "come.</p>",
}

MEASURED = (
    "<p>Two virtual machines ({guest_cpus} processors each, {accel}) on one host ({cpu}, {cores} "
    "cores), joined by a virtual wire, with soft-RoCE as RDMA device. Every RDMA packet is made by "
    "a processor here, which costs SMC what TCP does not pay: with RDMA hardware the ratios are "
    "others. Absolute numbers say something of this machine only. A value is failed, and with it "
    "the run, if wrk has seen an error, or a connection has not been over RDMA where it had to "
    "be.</p>")
