"""What the probe is asked, and what it answers. Free of numpy: the main process speaks it.

A message is one datagram of a SOCK_SEQPACKET pair, a tagged msgpack map. What comes from a probed model's process is checked like
any input, and its texts are made fit for a log before anyone sees them.
"""

from __future__ import annotations

import msgspec

from edged.core.errors import ModelFault
from edged.infer.graph import Form
from edged.infer.settings import ModelSettings

STEPS = {
    "files": "read",
    "graph": "looked through",
    "signature": "compared with what was stated of it",
    "memory": "measured",
    "load": "loaded and tried once",
    "run": "run",
    "decode": "understood",
    "golden": "asked for its golden answers",
}
"""The checks in their order, and what is done to the model meanwhile."""

MAX_MESSAGE_BYTES = 1 << 15


class Stated(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever published a model states of it, and what it is refused for if that is not so.

    ``inputs`` and ``outputs`` are those of the graph in its order, -1 for what is known at run time only; ``None`` states nothing.
    ``memory_mb`` bounds ``Verdict.peak_bytes``, in MiB. ``p95_ms`` is what an inference on live frames may take at its 95th
    percentile: ``examine.LATENCY_SLACK`` times that bounds the median here. It is of no use where an accelerator is to serve, since
    a probe runs on the CPU.
    """

    inputs: tuple[Form, ...] | None = None
    outputs: tuple[Form, ...] | None = None
    golden: bool = False
    """Whether there have to be golden vectors; those that are there are checked in any case."""
    memory_mb: int | None = None
    p95_ms: float | None = None


class Request(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Try the bundle at ``path`` as ``settings`` (and a caller's ``labels`` and ``decoder``) would have it.

    ``memory_bytes`` is what the model may take beyond the process that holds it, ``deadline_s`` how long all of it may last.
    """

    path: str
    settings: ModelSettings
    memory_bytes: int
    deadline_s: float
    labels: str | None = None
    decoder: str | None = None
    stated: Stated = Stated()
    key: str | None = None
    """Where the key of an encrypted bundle lies. ``Prober`` says it; the key itself is read by the process that needs it alone."""


class Sealed(msgspec.Struct, frozen=True, tag=True):
    """The process is shut in; each of ``protection`` was tried. So much memory it holds before it sees the model."""

    protection: tuple[str, ...]
    resident_bytes: int


class Passed(msgspec.Struct, frozen=True, tag=True):
    """A check of ``STEPS`` was passed."""

    step: str
    detail: str


class Refusal(msgspec.Struct, frozen=True, tag=True):
    """Why the model is refused."""

    fault: ModelFault
    message: str
    hint: str = ""


class Measures(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """What a model that passed every check was seen to take. ``identity`` is that of the bundle that was read.

    ``invoke_ms`` is the median where a latency was stated, else that of one inference.
    """

    identity: str
    runtime: str
    delegate: str
    delegate_nodes: int
    threads: int
    tensors: int
    load_ms: float
    invoke_ms: float


class Verdict(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The outcome of a probe.

    ``peak_bytes`` is the most memory that the process held at a time, less what it held before it saw the model. ``chatter`` holds
    the last lines that native libraries printed.
    """

    passed: tuple[Passed, ...]
    refusal: Refusal | None
    measures: Measures | None
    protection: tuple[str, ...]
    peak_bytes: int
    elapsed_s: float
    chatter: tuple[str, ...]


Remark = Sealed | Passed | Refusal | Measures
"""What a probed model's process says."""

Answer = Passed | Verdict
"""What the probe says to whoever asked it: any number of the first, then one of the second."""

encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_remark = msgspec.msgpack.Decoder(Remark).decode
decode_answer = msgspec.msgpack.Decoder(Answer).decode
