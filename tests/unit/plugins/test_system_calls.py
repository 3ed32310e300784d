"""The filter of system calls: its numbers are the kernel's, and its program does as it says."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from irqbal.plugins.system_calls import ALLOWED, FAMILIES, NETWORK, ONLY, OPENING, program

HEADERS = Path("/usr/include")
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
NUMBERS = {
    **ALLOWED,
    **NETWORK,
    **{name: numbers for name, (numbers, _) in OPENING.items()},
    **{name: numbers for name, (numbers, _, _) in ONLY.items()},
    "socket": FAMILIES[0],
}


def header(name: str) -> dict[str, int]:
    """Numbers of system calls in a header of the kernel's; those of generic 64-bit calls count
    under their names.
    """
    found: dict[str, int] = {}
    text = (HEADERS / name).read_text()
    for match in re.finditer(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)\s*$", text, re.M):
        found.setdefault({"fstatat": "newfstatat"}.get(match[1], match[1]), int(match[2]))
    return found


def test_the_numbers_are_those_of_the_kernels_headers() -> None:
    generic = header("asm-generic/unistd.h")
    generic["riscv_flush_icache"] = generic["arch_specific_syscall"] + 15
    assert {name: numbers[1] for name, numbers in NUMBERS.items()} == {
        name: generic.get(name) for name in NUMBERS
    }
    for path in HEADERS.glob("x86_64-linux-gnu/asm/unistd_64.h"):
        x86 = header(str(path.relative_to(HEADERS)))
        assert {name: numbers[0] for name, numbers in NUMBERS.items()} == {
            name: x86.get(name) for name in NUMBERS
        }


def run(machine: str, network: bool, arch: int, number: int, *arguments: int) -> int:
    """What the filter answers to a system call: a small machine for its instructions."""
    data = {0: number, 4: arch, **{16 + 8 * at: value for at, value in enumerate(arguments)}}
    code = program(machine, network)
    at = value = 0
    while True:
        what, yes, no, constant = code[at]
        at += 1
        if what == 0x20:
            value = data.get(constant, 0)
        elif what == 0x06:
            return constant
        else:
            taken = value == constant if what == 0x15 else bool(value & constant)
            at += yes if taken else no


MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1), "riscv64": (0xC00000F3, 1)}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("network", [False, True])
def test_what_is_listed_is_allowed_and_everything_else_refused(machine: str, network: bool) -> None:
    arch, at = MACHINES[machine]
    allowed = {numbers[at] for numbers in ({**ALLOWED, **NETWORK} if network else ALLOWED).values()}
    checked = {
        *(numbers[at] for numbers, _ in OPENING.values()),
        *(numbers[at] for numbers, _, _ in ONLY.values()),
    }
    for number in range(600):
        if number in checked or (network and number == FAMILIES[0][at]):
            continue
        answer = run(machine, network, arch, number)
        assert answer == (ALLOW if number in allowed else REFUSE), number
    assert run(machine, network, 0x40000003, 0) == KILL, "another architecture's numbers"
    assert run(machine, network, arch, 0x40000000) == REFUSE, "x32"


@pytest.mark.parametrize("machine", MACHINES)
def test_arguments_are_looked_at(machine: str) -> None:
    arch, at = MACHINES[machine]
    openat = OPENING["openat"][0][at] or 0
    assert run(machine, False, arch, openat, 0, 0, 0) == ALLOW
    for flags in (0o100, 0o101, 0o20200000, 0o20000002):
        assert run(machine, False, arch, openat, 0, 0, flags) == REFUSE
    fcntl = ONLY["fcntl"][0][at] or 0
    assert run(machine, False, arch, fcntl, 0, 2) == ALLOW
    for command in (5, 6, 7, 8, 10, 37, 1024, 1026):  # locks, owners, leases, notifications
        assert run(machine, False, arch, fcntl, 0, command) == REFUSE
    limit = ONLY["prlimit64"][0][at] or 0
    assert run(machine, False, arch, limit, 0) == ALLOW
    assert run(machine, False, arch, limit, 41) == REFUSE
    socket = FAMILIES[0][at] or 0
    assert run(machine, True, arch, socket, 2) == ALLOW
    assert run(machine, True, arch, socket, 16) == run(machine, False, arch, socket, 2) == REFUSE


def test_a_machine_that_is_not_listed_has_no_filter() -> None:
    assert program("s390x", network=False) == []
