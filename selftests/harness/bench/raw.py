# SPDX-License-Identifier: GPL-2.0
"""Reads what the tests in bench/ leave in their file `raw`."""

from typing import Dict, List

FALLBACK = ("keep-alive/s", "connections/s", "Mbit/s", "connect us", "connection us")

# By configuration, by metric: the value of each round.
Values = Dict[str, Dict[str, List[float]]]


def fallback(text: str) -> Values:
    """Lines of ROUND:CONFIGURATION:VALUE... in the order of FALLBACK."""
    values: Values = {}
    for line in text.splitlines():
        _, config, *rest = line.split(":")
        if len(rest) != len(FALLBACK):
            raise ValueError(f"not {len(FALLBACK)} values: {line}")
        for metric, value in zip(FALLBACK, rest):
            values.setdefault(config, {}).setdefault(metric, []).append(float(value))
    return values


def describe(kind: str, connections: int, size: int) -> str:
    if kind == "bulk":
        return f"{size} B x {connections}, Mbit/s"
    if kind == "pingpong":
        return f"{size} B there and back, us"
    if kind == "idle":
        return "idle connection, KiB"
    raise ValueError(f"no such measurement: {kind}")


def data(text: str) -> Values:
    """Lines of ROUND:CONFIGURATION:KIND:CONNECTIONS:SIZE:VALUE."""
    values: Values = {}
    for line in text.splitlines():
        _, config, kind, connections, size, value = line.split(":")
        metric = describe(kind, int(connections), int(size))
        values.setdefault(config, {}).setdefault(metric, []).append(float(value))
    return values


def floor(text: str) -> Values:
    """Lines of ROUND:CONFIGURATION:CONNECTIONS:MILLISECONDS:VALUE, those that each host
    adds."""
    values: Values = {}
    for line in text.splitlines():
        _, config, connections, ms, value = line.split(":")
        metric = f"{connections} at a time, {2 * int(ms)} ms RTT, connections/s"
        values.setdefault(config, {}).setdefault(metric, []).append(float(value))
    return values


def more_is_better(metric: str) -> bool:
    return metric.endswith("/s")
