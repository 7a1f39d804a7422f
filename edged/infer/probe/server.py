"""The probe process: imports the runtime once, then forks a process of its own for each model, shut in before it sees the file.

Rules: this process parses no model and stays single-threaded; what a child says is decoded and bounded before it is passed on; a
child is gone before the next request is taken.
"""

from __future__ import annotations

import gc
import os
import socket

from edged.infer.probe import sandbox
from edged.infer.probe.child import Child
from edged.infer.probe.records import MAX_MESSAGE_BYTES, decode_request, encode


def main(fd: int) -> None:
    """Answer requests until the other end of the pair is closed."""
    sandbox.die_with_parent(os.getppid())
    gc.freeze()  # or the collector would touch, and so copy, every page in each child
    with socket.socket(fileno=fd) as channel:
        while datagram := channel.recv(MAX_MESSAGE_BYTES):
            child = Child(decode_request(datagram), lambda answer: channel.send(encode(answer)))
            channel.send(encode(child.verdict()))
