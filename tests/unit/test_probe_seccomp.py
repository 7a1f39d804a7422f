"""The filter of system calls, run on a machine made of Python: the same rules on both processors, whichever this one is."""

from __future__ import annotations

import errno
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.infer.probe.seccomp import RET_ALLOW, RET_ERRNO, RET_KILL_PROCESS, program
from edged.infer.probe.syscalls import ALLOWED, AUDIT_ARCH, NUMBERS

PID = 4242
MACHINES = sorted(NUMBERS)


def outcome(machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    """What the filter answers for a call: the part of Linux' BPF that seccomp programs here use."""
    code = program(machine, PID)
    assert code is not None
    padded = [argument & 0xFFFF_FFFF_FFFF_FFFF for argument in (*arguments, 0, 0, 0, 0, 0, 0)][:6]
    data = struct.pack("<IIQ6Q", number & 0xFFFF_FFFF, AUDIT_ARCH[machine] if arch is None else arch, 0, *padded)
    accumulator = at = 0
    while True:
        kind, if_true, if_false, operand = struct.unpack_from("<HBBI", code, 8 * at)
        at += 1
        match kind:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", data, operand)
            case 0x54:
                accumulator &= operand
            case 0x15:
                at += if_true if accumulator == operand else if_false
            case 0x35:
                at += if_true if accumulator >= operand else if_false
            case 0x06:
                return int(operand)
            case _:
                raise AssertionError(f"instruction {kind:#x}")


def failing(error: int) -> int:
    return RET_ERRNO | error


@pytest.mark.parametrize("machine", MACHINES)
def test_reading_is_allowed_and_writing_is_not(machine: str) -> None:
    openat = NUMBERS[machine]["openat"]
    assert outcome(machine, openat, 3, 0, os.O_RDONLY | os.O_CLOEXEC) == RET_ALLOW
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_CREAT, os.O_RDONLY | os.O_TRUNC, os.O_TMPFILE | os.O_RDWR):
        assert outcome(machine, openat, 3, 0, flags) == failing(errno.EACCES)


@pytest.mark.parametrize("machine", MACHINES)
def test_threads_are_allowed_and_processes_are_not(machine: str) -> None:
    clone = NUMBERS[machine]["clone"]
    assert outcome(machine, clone, 0x3D0F00) == RET_ALLOW  # what the C library passes for a thread
    assert outcome(machine, clone, 0x1200011) == failing(errno.EPERM)  # and for fork
    assert outcome(machine, 435) == failing(errno.ENOSYS)  # clone3, whose arguments a filter cannot see


@pytest.mark.parametrize("machine", MACHINES)
def test_signals_go_to_oneself_only(machine: str) -> None:
    assert outcome(machine, NUMBERS[machine]["tgkill"], PID, PID + 1, 6) == RET_ALLOW
    assert outcome(machine, NUMBERS[machine]["tgkill"], PID + 1, PID + 1, 6) == failing(errno.EPERM)
    assert outcome(machine, NUMBERS[machine]["fcntl"], 3, 3) == RET_ALLOW
    assert outcome(machine, NUMBERS[machine]["fcntl"], 3, 8) == failing(errno.EINVAL)  # F_SETOWN


@pytest.mark.parametrize("machine", MACHINES)
def test_memory_is_ones_own(machine: str) -> None:
    mmap = NUMBERS[machine]["mmap"]
    private, shared_file, shared_memory = 0x22, 0x01, 0x21
    assert outcome(machine, mmap, 0, 4096, 3, private) == RET_ALLOW
    assert outcome(machine, mmap, 0, 4096, 1, shared_file) == RET_ALLOW
    assert outcome(machine, mmap, 0, 4096, 3, shared_memory) == failing(errno.EPERM)


@pytest.mark.parametrize(
    ("machine", "numbers"),
    [
        # socket, connect, execve, kill, ptrace, io_uring_setup, unlinkat, renameat2, memfd_create, bpf, unshare
        ("x86_64", (41, 42, 59, 62, 101, 425, 263, 316, 319, 321, 272)),
        ("aarch64", (198, 203, 221, 129, 117, 425, 35, 276, 279, 280, 97)),
    ],
)
def test_what_reaches_out_of_the_process_is_not_there(machine: str, numbers: tuple[int, ...]) -> None:
    assert {outcome(machine, number) for number in numbers} == {failing(errno.ENOSYS)}


@pytest.mark.parametrize("machine", MACHINES)
def test_another_abi_ends_the_process(machine: str) -> None:
    assert outcome(machine, 0, arch=0x40000003) == RET_KILL_PROCESS  # 32-bit x86, whose numbers mean other calls


def test_a_second_table_of_calls_is_closed() -> None:
    assert outcome("x86_64", 0x40000000 | NUMBERS["x86_64"]["read"]) == failing(errno.ENOSYS)


@given(machine=st.sampled_from(MACHINES), number=st.integers(0, 600), arguments=st.lists(st.integers(0, 2**64 - 1), max_size=6))
def test_nothing_but_the_list_is_ever_allowed(machine: str, number: int, arguments: list[int]) -> None:
    names = {known: name for name, known in NUMBERS[machine].items()}
    answer = outcome(machine, number, *arguments)
    if names.get(number) in ALLOWED:
        assert answer == RET_ALLOW
    elif number not in names:
        assert answer == failing(errno.ENOSYS)


def test_a_machine_without_a_table_gets_no_filter() -> None:
    assert program("riscv64", PID) is None
