#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""static_branches.py KEY OBJECT...: where objects ask a static key.

For each function that does: its name, how often, and what the instruction there is, which
the kernel changes when the key is switched: "nop" where the code that follows is the one
for a key that is off, "jmp" where that is elsewhere.
"""

import struct
import sys
from collections import Counter
from pathlib import Path
from typing import Iterator, List, NamedTuple, Tuple

# As asm_volatile_goto() and objtool make them, of two bytes or five.
INSTRUCTIONS = {b"\x66\x90": "nop", b"\x0f\x1f\x44\x00\x00": "nop"}
JUMPS = {0xeb: "jmp", 0xe9: "jmp"}


class Section(NamedTuple):
    name: int
    kind: int
    flags: int
    addr: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry: int


class Symbol(NamedTuple):
    name: int
    info: int
    other: int
    section: int
    value: int
    size: int


class Object:
    """What an ELF file of x86-64 has, as far as this takes it."""

    def __init__(self, path: Path):
        self.data = path.read_bytes()
        assert self.data[:5] == b"\x7fELF\x02", path
        start, = struct.unpack_from("<Q", self.data, 0x28)
        count, self.names = struct.unpack_from("<HH", self.data, 0x3c)
        self.sections = [Section(*struct.unpack_from("<IIQQQQIIQQ", self.data, start + 64 * i))
                         for i in range(count)]
        table = next(s for s in self.sections if s.kind == 2)
        self.strings = self.sections[table.link]
        self.symbols = [Symbol(*s) for s in struct.iter_unpack("<IBBHQQ", self.of(table))]

    def of(self, section: Section) -> bytes:
        return self.data[section.offset:section.offset + section.size]

    def text(self, strings: Section, at: int) -> str:
        start = strings.offset + at
        return self.data[start:self.data.index(b"\0", start)].decode()

    def section(self, name: str) -> List[Section]:
        return [s for s in self.sections if self.text(self.sections[self.names], s.name) == name]

    def function(self, section: int, at: int) -> str:
        for s in self.symbols:
            if s.info & 15 == 2 and s.section == section and s.value <= at < s.value + s.size:
                return self.text(self.strings, s.name)
        raise ValueError(f"no function at {at:#x}")

    def branches(self, key: str) -> Iterator[Tuple[str, str]]:
        """Function and instruction of each entry: code, target and key are relocations."""
        for rela in self.section(".rela__jump_table"):
            entries = sorted(struct.iter_unpack("<QQq", self.of(rela)))
            for (_, code, addend), _, (_, which, _) in zip(*[iter(entries)] * 3):
                if self.text(self.strings, self.symbols[which >> 32].name) != key:
                    continue
                where = self.symbols[code >> 32]
                at = where.value + addend
                yield self.function(where.section, at), self.instruction(where.section, at)

    def instruction(self, section: int, at: int) -> str:
        code = self.of(self.sections[section])[at:at + 5]
        return (INSTRUCTIONS.get(code[:2]) or INSTRUCTIONS.get(code) or JUMPS.get(code[0])
                or code.hex())


def main() -> int:
    for path in sys.argv[2:]:
        for (function, what), n in sorted(Counter(Object(Path(path)).branches(sys.argv[1])).items()):
            print(f"{Path(path).name} {function} {n} {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
