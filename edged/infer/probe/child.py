"""A forked process that tries one model, and what is heard of it."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from typing import NoReturn

import msgspec

from edged.core.errors import CustomOpsUnusable, DelegateFailed, ModelRejected, RuntimeUnavailable, SecretUnreadable
from edged.infer.engine import default_threads
from edged.infer.probe import sandbox
from edged.infer.probe.examine import examine
from edged.infer.probe.records import MAX_MESSAGE_BYTES, Passed, Refusal, Remark, Request, Sealed, Verdict, decode_remark, encode
from edged.infer.probe.verdict import End, judge

CHATTER_BYTES = 4096
"""So much of the end of what native libraries print is kept."""

MAX_REMARKS = 16
EXIT_BROKEN = 70


class Child:
    """Forked when it is made; gone when ``verdict`` returns. ``heed`` is told of each check as it is passed."""

    def __init__(self, request: Request, heed: Callable[[Passed], object]) -> None:
        self._request = request
        self._heed = heed
        self._remarks: list[Remark] = []
        self._babbled = False
        self._chatter = b""
        self._started_s = time.monotonic()
        self._results, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._printed, printing = os.pipe2(os.O_CLOEXEC)
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            _live(request, parent, theirs.detach(), printing)
        theirs.close()
        os.close(printing)
        self._pidfd = os.pidfd_open(self._pid)

    def verdict(self) -> Verdict:
        """Hear the process out, until it ends or its deadline is over."""
        deadline_s = self._started_s + self._request.deadline_s
        sources = {self._results.fileno(): self._hear, self._printed: self._hear_chatter}
        with selectors.DefaultSelector() as selector:
            for source in (*sources, self._pidfd):
                selector.register(source, selectors.EVENT_READ)
            while not self._babbled and (left_s := deadline_s - time.monotonic()) > 0:
                ready = {key.fd for key, _ in selector.select(left_s)}
                if ready == {self._pidfd}:  # it ended, and all that it said was heard
                    return self._end(timed_out=False)
                for source in ready - {self._pidfd}:
                    if not sources[source]():
                        selector.unregister(source)
        return self._end(timed_out=not self._babbled)

    def _hear(self) -> bool:
        """Take one remark; False if nothing more can come."""
        datagram = self._results.recv(MAX_MESSAGE_BYTES)
        if not datagram:
            return False
        try:
            remark = decode_remark(datagram)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._babbled = True
            return True
        self._remarks.append(remark)
        self._babbled = len(self._remarks) > MAX_REMARKS
        if isinstance(remark, Passed):
            self._heed(remark)
        return True

    def _hear_chatter(self) -> bool:
        text = os.read(self._printed, 1 << 16)
        self._chatter = (self._chatter + text)[-CHATTER_BYTES:]
        return bool(text)

    def _end(self, *, timed_out: bool) -> Verdict:
        signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)  # no effect on one that ended: it was not waited for yet
        _, status, usage = os.wait4(self._pid, 0)
        self._results.close()
        os.close(self._printed)
        os.close(self._pidfd)
        end = End(
            status=os.waitstatus_to_exitcode(status),
            timed_out=timed_out,
            babbled=self._babbled,
            resident_bytes=usage.ru_maxrss * 1024,
            elapsed_s=time.monotonic() - self._started_s,
            chatter=self._chatter,
        )
        return judge(self._request, self._remarks, end)


def _live(request: Request, parent: int, results: int, printing: int) -> NoReturn:
    """The life of the forked process."""
    status = EXIT_BROKEN
    try:
        sandbox.die_with_parent(parent)
        sandbox.detach(results, printing)
        sandbox.limit(request.memory_bytes, request.deadline_s, request.settings.threads or default_threads())
        hidden = () if request.key is None else sandbox.hide()
        _examine(request, hidden, lambda remark: os.write(results, encode(remark)))  # not send(): no socket call is left
        status = 0
    except BaseException:  # nothing may get back into the loop that the parent runs
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _examine(request: Request, hidden: tuple[str, ...], say: Callable[[Remark], object]) -> None:
    sealed = sandbox.seal()
    say(Sealed((*sealed, *hidden) if sealed else (), sandbox.resident_bytes()))  # none says that limits are all there is
    try:
        examine(request, say)
    except ModelRejected as error:
        say(Refusal(error.fault, error.message, error.hint))
    except (DelegateFailed, RuntimeUnavailable, CustomOpsUnusable) as error:
        say(Refusal("delegate", error.message, error.hint))
    except SecretUnreadable as error:
        say(Refusal("undecipherable", error.message, error.hint))
    except MemoryError:
        message = f"{request.path}: needs more than the {request.memory_bytes >> 20:,} MB that are there"
        say(Refusal("does not fit memory", message, "Use a smaller model."))
