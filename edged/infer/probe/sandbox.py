"""Shuts the calling process in before it sees a file that nobody vouches for.

Rules: everything that can be tried is tried, and only what was seen to hold is said to hold. Nothing here needs a privilege.
"""

from __future__ import annotations

import errno
import math
import os
import resource
import signal
import socket
from contextlib import suppress
from pathlib import Path

from edged.infer.probe import seccomp

PR_SET_PDEATHSIG = 1
PR_GET_DUMPABLE = 3
PR_SET_DUMPABLE = 4

MAX_DESCRIPTORS = 64
THREAD_STACK_BYTES = 8 << 20
"""What the C library sets aside for each thread but the first; counted by RLIMIT_DATA although hardly any of it is used."""

CPU_SLACK_S = 2


def die_with_parent(parent: int) -> None:
    """Be killed when the process ``parent`` ends; leave at once if it has."""
    seccomp.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def detach(keep: int, chatter: int) -> None:
    """Leave only the descriptor ``keep``; what is printed goes into ``chatter``, and nothing comes in."""
    null = os.open(os.devnull, os.O_RDONLY)
    for descriptor, source in ((0, null), (1, chatter), (2, chatter)):
        os.dup2(source, descriptor)
    os.closerange(3, keep)
    os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))


def limit(memory_bytes: int, deadline_s: float, threads: int) -> None:
    """Bound memory, CPU time, descriptors and files written; from here on the kernel's first choice when memory runs out.

    Memory is bounded by RLIMIT_DATA, private writable memory: a mapped model file does not count, and pages of it can be dropped at
    any time. RLIMIT_AS would count it, together with some 200 MB of address space that no page stands behind.
    """
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    held = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    bounds = {
        resource.RLIMIT_DATA: held + memory_bytes + (threads - 1) * THREAD_STACK_BYTES,
        resource.RLIMIT_CPU: math.ceil(deadline_s * (threads + 1)) + CPU_SLACK_S,
        resource.RLIMIT_NOFILE: MAX_DESCRIPTORS,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for what, bound in bounds.items():
        hard = resource.getrlimit(what)[1]
        lowered = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        # Above the hard limit of CPU time waits SIGKILL, which says nothing; SIGXCPU at the soft one does.
        resource.setrlimit(what, (lowered, lowered + (what == resource.RLIMIT_CPU)))


def hide() -> tuple[str, ...]:
    """From here on nobody but root can look into this process, and no core of it is dumped, not even to a program; what holds."""
    seccomp.prctl(PR_SET_DUMPABLE, 0)
    return ("no looking in",) if seccomp.prctl(PR_GET_DUMPABLE) else ()  # which answers 0 for a process that cannot be dumped


def resident_bytes() -> int:
    """What this process holds in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def seal() -> tuple[str, ...]:
    """Take network, writing of files, other programs and processes away for ever; the names of what is gone."""
    seccomp.install()
    tried = {"no network": _no_network, "no files written": _no_writing, "no processes": _no_processes}
    return tuple(name for name, holds in tried.items() if holds())


def _no_network() -> bool:
    try:
        with socket.socket() as outside:
            outside.settimeout(0.0)
            return outside.connect_ex(("127.0.0.1", 9)) in {errno.EPERM, errno.EACCES, errno.ENOSYS}
    except OSError:
        return True


def _no_writing() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_WRONLY))
    except OSError:
        return True
    return False


def _no_processes() -> bool:
    try:
        child = os.fork()
    except OSError:
        return True
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return False
