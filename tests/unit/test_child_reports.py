"""What a vision process said before it left is heard, whatever it left unread."""

from __future__ import annotations

from edged.daemon.child import receive
from edged.vision import datagrams, ipc


async def test_datagrams_are_heard_of_a_process_that_left_with_an_order_unread() -> None:
    ours, theirs = datagrams.pair()
    said = [datagrams.encode(report) for report in (ipc.CameraEnded("door", 1), ipc.CameraEnded("gate", 2), ipc.Finished())]
    for datagram in said:
        theirs.send(datagram)
    ours.send(datagrams.encode(ipc.Stop()))
    theirs.close()
    with ours:
        ours.setblocking(False)
        assert [await receive(ours) for _ in range(len(said) + 1)] == [*said, b""]
