"""Which settings a vision process is to serve, whatever happens to the process while it is asked to serve others."""

from __future__ import annotations

import pytest
from observed import counters

from edged.core.errors import ProtocolViolated
from edged.daemon.reload import SettingsRefused
from edged.daemon.serving import Serving
from edged.infer.settings import ModelSettings
from edged.tracking.settings import TrackerSettings
from edged.vision import ipc
from edged.vision.settings import CameraSettings, VisionSettings


def settings(**cameras: str) -> VisionSettings:
    made = {name: CameraSettings(model=model) for name, model in cameras.items()}
    models = {model: ModelSettings(bundle=model) for model in cameras.values()}
    return VisionSettings(cameras=made, models=models, tracking=TrackerSettings(), identities={}, run="")


def up(camera: str) -> ipc.CameraUp:
    return ipc.CameraUp(camera, 640, 480, None, "", 0)


async def test_each_process_and_each_order_has_a_name_of_its_own() -> None:
    serving = Serving(settings(door="ssd"))
    serving.order(settings(door="ssd"))
    sent = serving.to_send()
    assert sent
    assert len({serving.to_start().run, serving.to_start().run, sent.run}) == 3
    assert serving.to_send() is None  # once


async def test_names_are_those_of_the_old_settings_until_the_answer() -> None:
    serving = Serving(settings(door="ssd"))
    answer = serving.order(settings(gate="yolo"))
    serving.checked(up("door"))
    with pytest.raises(ProtocolViolated, match="'gate'"):
        serving.checked(up("gate"))
    assert serving.accept() is answer
    serving.checked(up("gate"))
    with pytest.raises(ProtocolViolated, match="'door'"):
        serving.checked(up("door"))


async def test_heartbeat_is_of_the_cameras_that_are_served() -> None:
    serving = Serving(settings(door="ssd", yard="ssd"))
    said = ipc.Stats((counters("door"), counters("gate"), counters("\n# HELP")))
    assert serving.checked(said) == ipc.Stats((counters("door"),))
    serving.order(settings(gate="ssd"))
    serving.to_send()
    serving.accept()
    assert serving.checked(said) == ipc.Stats((counters("gate"),))


async def test_refusal_changes_nothing_and_has_every_problem() -> None:
    serving = Serving(settings(door="ssd"))
    before = serving.settings
    answer = serving.order(settings(gate="yolo"))
    serving.refuse(ipc.Refused((ipc.Problem(("models", "yolo"), "no such file"),)))
    with pytest.raises(SettingsRefused) as refused:
        await answer
    assert [(problem.path, problem.text) for problem in refused.value.problems] == [(("models", "yolo"), "no such file")]
    assert serving.settings is before
    serving.order(settings(gate="yolo"))  # another attempt may be made


async def test_refusal_says_if_memory_is_short() -> None:
    for fault, no_room in (("does not fit memory", True), ("unfit", False), (None, False)):
        serving = Serving(settings(door="ssd"))
        answer = serving.order(settings(door="yolo"))
        serving.refuse(ipc.Refused((ipc.Problem(("models", "yolo"), "no", fault),)))
        with pytest.raises(SettingsRefused) as refused:
            await answer
        assert refused.value.no_room == no_room


@pytest.mark.parametrize("kind", ["accept", "refuse"])
async def test_answer_without_an_order_is_nonsense(kind: str) -> None:
    serving = Serving(settings(door="ssd"))
    with pytest.raises(ProtocolViolated, match="without an order"):
        serving.accept() if kind == "accept" else serving.refuse(ipc.Refused(()))


async def test_process_that_dies_over_an_order_refuses_it_but_one_that_never_had_it_does_not() -> None:
    serving = Serving(settings(door="ssd"))
    answer = serving.order(settings(gate="yolo"))
    serving.on_death("killed by SIGSEGV")
    assert serving.unsent
    assert serving.unsent.cameras.keys() == {"gate"}
    assert serving.accept() is answer
    assert serving.to_start().cameras.keys() == {"gate"}
    answer = serving.order(settings(door="ssd"))
    serving.to_send()
    assert serving.unsent is None
    serving.on_death("killed by SIGSEGV")
    with pytest.raises(SettingsRefused, match=r"died over it \(killed by SIGSEGV\)"):
        await answer
    assert serving.to_start().cameras.keys() == {"gate"}
    serving.on_death("killed by SIGSEGV")  # nothing is ordered any more


async def test_process_that_leaves_in_good_order_hands_the_order_to_the_next() -> None:
    serving = Serving(settings(door="ssd"))
    answer = serving.order(settings(gate="yolo"))
    serving.to_send()
    serving.send_again()
    sent = serving.to_send()
    assert sent
    assert sent.cameras.keys() == {"gate"}
    assert serving.accept() is answer


async def test_recording_that_ended_is_played_again_only_if_it_was_changed() -> None:
    serving = Serving(settings(once="ssd", door="ssd"))
    serving.end("once")
    assert serving.to_start().cameras.keys() == {"door"}
    serving.order(settings(once="ssd", door="yolo"))
    sent = serving.to_send()
    assert sent
    assert sent.cameras.keys() == {"door"}
    serving.accept()
    assert serving.to_start().cameras.keys() == {"door"}
    serving.order(settings(once="yolo", door="yolo"))
    sent = serving.to_send()
    assert sent
    assert sent.cameras.keys() == {"once", "door"}
    assert serving.to_start().cameras.keys() == {"door"}  # as long as that is not accepted
    serving.accept()
    assert serving.to_start().cameras.keys() == {"once", "door"}


async def test_who_no_longer_waits_for_the_answer_does_no_harm() -> None:
    serving = Serving(settings(door="ssd"))
    serving.order(settings(gate="ssd")).cancel()
    serving.abandon("edged is stopping")
    serving.abandon("edged is stopping")
