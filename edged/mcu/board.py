"""What a microcontroller can be asked, in Python's terms.

What may be done twice is asked again until there is an answer; an inference is not, because an answer that was lost does not say
whether it ran. Nor is a reset: the second would end a trial that the first began. Whether it happened, the count of starts says.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

from smp.error import MGMT_ERR
from smp.os_management import BootMode
from smpclient import SMPClient
from smpclient.exceptions import SMPValidationException
from smpclient.generics import SMPRequest, TEr1, TEr2, TRep, error_v1, success
from smpclient.requests import image_management as image_group
from smpclient.requests import os_management as os_group

from edged.core.errors import BoardRefused, BoardSilent, PortLost
from edged.core.operators import Operator
from edged.mcu import messages, upload
from edged.mcu.info import (
    BoardInfo,
    ImageNumber,
    Inference,
    ModelInfo,
    Output,
    Pair,
    Parameters,
    SelfTest,
    SlotImage,
    TensorInfo,
)
from edged.mcu.link import Link
from edged.mcu.refusal import refused
from edged.mcu.transport import FRAMING_BYTES, REPEATED, LinkTransport, Patience

ONCE_S = 30.0
"""The longest that an inference or a self-test may take."""

INPUT_OVERHEAD_BYTES = 48
"""Header and keys around the bytes of an input, at most."""

NOT_SUPPORTED = int(MGMT_ERR.ENOTSUP)
"""The code of BoardRefused, in no group, for what a board cannot do at all."""

VERIFYING = 4
"""So many times the usual patience with a board that verifies what its slots hold: hashes of megabytes on a slow core. Asked
again, it answers from what it found."""

RESETS = 3
"""How often a board is told to start again that goes on as if it had not heard."""


class Board:
    """Asks on a link. Every method raises PortLost, BoardSilent, or BoardRefused."""

    def __init__(self, link: Link, patience: Patience = REPEATED) -> None:
        self._link = link
        self._patience = patience
        self._verifying = Patience(patience.answer_s, attempts=patience.attempts * VERIFYING)
        self._parameters: Parameters | None = None

    @property
    def link(self) -> Link:
        """What it asks on."""
        return self._link

    async def parameters(self) -> Parameters:
        """Of the server; asked once."""
        if self._parameters is None:
            answer = await self.ask(os_group.MCUMgrParametersRead())
            self._parameters = Parameters(answer.buf_size, answer.buf_count)
        return self._parameters

    async def info(self, patience: Patience | None = None) -> BoardInfo:
        """What it is and runs; a board that is not ours refuses."""
        return _info(await self.ask(messages.InfoRead(), patience))

    async def images(self, patience: Patience | None = None) -> tuple[SlotImage, ...]:
        """What its slots hold."""
        return _slots(await self.ask(image_group.ImageStatesRead(), patience or self._verifying))

    async def upload(
        self, image: ImageNumber, data: bytes, image_hash: bytes, report: upload.Report = lambda progress: None
    ) -> upload.Progress:
        """Bring an image into the free slot of its kind, going on where an earlier call was interrupted; nothing is judged here.

        ``image_hash`` is that of its SHA-256 TLV.
        """
        return await upload.upload(self, image, data, image_hash, report)

    async def test(self, image_hash: bytes) -> tuple[SlotImage, ...]:
        """Have it run this image on trial after the next reset; the slots then."""
        return _slots(await self.ask(image_group.ImageStatesWrite(hash=image_hash, confirm=False), self._verifying))

    async def confirm(self) -> tuple[SlotImage, ...]:
        """Keep what runs; the slots then."""
        return _slots(await self.ask(image_group.ImageStatesWrite(confirm=True), self._verifying))

    async def revert(self, image: ImageNumber) -> SlotImage:
        """Have it go back, at the next reset, to what of this kind it ran before; which one that is. Raises also BoardRefused."""
        slots = [slot for slot in await self.images() if slot.image == image]
        other = next((slot for slot in slots if not slot.active), None)
        if other is None:
            raise BoardRefused("the board has nothing to go back to", hint="Only one of its slots holds an image.")
        if not other.confirmed:
            raise BoardRefused(
                f"the board has nothing to go back to: {other.version} in its other slot never ran to be kept, or failed since",
                hint=f"`edged mcu {'model' if image else 'flash'}` tries an image, this one too.",
            )
        if not other.bootable:
            raise BoardRefused(
                f"the board does not go back to {other.version}: its security counter is below what the board takes now",
                hint="Sign a newer one, with what is wanted of the old.",
            )
        on_trial = any(slot.active and not slot.confirmed for slot in slots)
        if not on_trial:  # else the reset alone brings back what was confirmed
            await self.test(other.hash)
        return other

    async def reset(self, *, to_loader: bool = False) -> None:
        """Start again, once; with ``to_loader`` it stays there. Whether it came back is for the caller to see.

        An answer that does not come may be lost, or its port gone with the board: it is told again only if it says that it has not
        started since. Raises PortLost only where the port was lost before.
        """
        before = await self._boots()
        request = os_group.ResetWrite(boot_mode=BootMode.BOOTLOADER if to_loader else None)
        for _ in range(RESETS):
            try:
                await self.ask(request, replace(self._patience, attempts=1))
                return
            except BoardSilent as error:
                silent = error
            except PortLost as error:
                if error.fault != "vanished":
                    raise
                return
            try:
                if before is None or await self._boots() != before:
                    return
            except (BoardSilent, PortLost):
                return  # it is starting
        raise silent

    async def _boots(self) -> int | None:
        """How often it has started; None for a board that is not ours, and does not say."""
        try:
            return (await self.info()).boots
        except BoardRefused:
            return None

    async def invoke(self, inputs: tuple[bytes, ...]) -> Inference:
        """Run the model on these, and fetch what it answers."""
        for index, data in enumerate(inputs):
            await self._stage(index, data)
        answer = await self.ask(messages.InvokeWrite(), Patience(ONCE_S, attempts=1))
        if answer.rc:
            raise BoardRefused(f"the inference failed with status {answer.rc}", code=answer.rc)
        outputs = [await self._output(index) for index in range(answer.outputs)]
        return Inference(answer.inference, answer.us, tuple(outputs))

    async def self_test(self) -> SelfTest:
        """Compare its answers with the golden vectors again."""
        answer = await self.ask(messages.SelftestWrite(), Patience(ONCE_S, attempts=3))
        return SelfTest(answer.vectors, answer.failed)

    async def sample(self, period_ms: int) -> int:
        """Have its sensor read this often, or not any more: 0; the period that holds."""
        return (await self.ask(messages.SampleWrite(period_ms=period_ms))).period_ms

    async def ask(self, request: SMPRequest[TRep, TEr1, TEr2], patience: Patience | None = None) -> TRep:
        """The answer to any request of smpclient's or ours; raises also BoardRefused."""
        patience = patience or self._patience
        client = SMPClient(LinkTransport(self._link, patience), str(self._link.path))
        try:
            # The transport keeps the time; this one is only never to be the first.
            answer = await client.request(request, timeout_s=1e6)
        except (SMPValidationException, ValueError) as error:
            raise BoardRefused(
                f"the board on {self._link.path} gives an answer that nobody understands", hint=str(error).strip()[:200]
            ) from error
        if success(answer):
            return answer
        if error_v1(answer):
            raise refused(request, None, int(answer.rc))
        raise refused(request, int(answer.err.group), int(answer.err.rc))

    async def _stage(self, index: int, data: bytes) -> None:
        step = (await self.parameters()).buffer_bytes - FRAMING_BYTES - INPUT_OVERHEAD_BYTES
        at = 0
        while at < len(data):
            request = messages.InputWrite(index=index, off=at, data=data[at : at + step])
            answer = await self.ask(request)
            if answer.off != at + len(request.data):
                raise BoardRefused(f"input {index} of the model takes {answer.off} bytes, {len(data)} were sent")
            at = answer.off

    async def _output(self, index: int) -> Output:
        data = b""
        while True:
            answer = await self.ask(messages.OutputRead(index=index, off=len(data)))
            data += answer.data
            if len(data) >= answer.len:
                return Output(data, answer.dtype, tuple(answer.shape), answer.scale, answer.zero)
            if not answer.data:
                raise BoardRefused(f"output {index} ends after {len(data)} of {answer.len} bytes")


class _States(Protocol):
    @property
    def images(self) -> list[Any]: ...


def _slots(answer: _States) -> tuple[SlotImage, ...]:
    return tuple(
        SlotImage(
            image=1 if it.image == 1 else 0,
            slot=it.slot,
            version=it.version,
            hash=bytes(it.hash or b""),
            bootable=bool(it.bootable),
            pending=bool(it.pending),
            confirmed=bool(it.confirmed),
            active=bool(it.active),
        )
        for it in answer.images
    )


def _info(answer: messages.InfoAnswer) -> BoardInfo:
    model_hash = answer.model.hash if any(answer.model.hash) else b""  # all zeros: there is none
    model = ModelInfo(answer.model.name, answer.model.version, model_hash, answer.model.state)
    return BoardInfo(
        mode=answer.mode,
        board=answer.board,
        version=answer.firmware_version,
        hash=answer.hash,
        engine=answer.engine,
        model=model,
        state=answer.state,
        self_test=answer.self_test,
        failed_vector=answer.failed_vector,
        key=answer.key,
        counters=Pair(answer.counter.firmware, answer.counter.model),
        arena_used_bytes=answer.arena_used,
        arena_size_bytes=answer.arena_size,
        reset_reason=answer.reset_reason,
        boots=answer.boots,
        diagnosis=_diagnosis(answer),
        op_index=answer.op_index,
        op_code=answer.op_code,
        operators=answer.operators,
        slot_bytes=Pair(answer.slot_size.firmware, answer.slot_size.model),
        inputs=tuple(_tensor(it) for it in answer.inputs),
        outputs=tuple(_tensor(it) for it in answer.outputs),
    )


def _diagnosis(answer: messages.InfoAnswer) -> str:
    """With the operator in TFLite's words: the board knows numbers alone."""
    if answer.op_index is None:
        return answer.diagnosis
    if answer.op_code is None:
        return f"operator {answer.op_index}: {answer.diagnosis}"
    custom = "".join(it if it.isprintable() else "?" for it in answer.op_custom.decode(errors="replace"))
    return f"{Operator(answer.op_index, answer.op_code, custom)}: {answer.diagnosis}"


def _tensor(answer: messages.TensorAnswer) -> TensorInfo:
    return TensorInfo(answer.dtype, tuple(answer.shape), answer.scale, answer.zero, answer.bytes)
