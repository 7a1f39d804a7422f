"""Readiness needs a result of every required camera; being stuck is not being slow."""

from __future__ import annotations

from edged.daemon.health import PROGRESS_DEADLINE_S, Health
from edged.vision import ipc
from edged.vision.counters import CameraStats


def stats(**cameras: tuple[int, int, int]) -> ipc.Stats:
    """(captured, dropped, inferred) by camera."""
    zeros = dict.fromkeys(
        (
            *(
                "tracks",
                "tracks_dropped",
                "live_unsent",
                "capture_cpu_ms",
                "prepare_cpu_ms",
                "decode_cpu_ms",
                "track_cpu_ms",
                "report_cpu_ms",
            ),
            *("invoke_ms", "invoke_cpu_ms", "age_ms"),
        ),
        0,
    )
    return ipc.Stats(
        tuple(
            CameraStats(camera=name, captured=captured, dropped=dropped, inferred=inferred, **zeros)
            for name, (captured, dropped, inferred) in cameras.items()
        )
    )


def test_ready_after_the_first_result_of_every_required_camera() -> None:
    health = Health(["door", "yard"])
    assert not health.ready
    health.note(stats(door=(1, 0, 1), yard=(1, 0, 0), attic=(1, 0, 1)), 1)
    assert not health.ready
    health.note(stats(door=(2, 0, 2), yard=(2, 0, 1)), 2)
    assert health.ready


def test_restart_of_vision_does_not_take_readiness_back() -> None:
    health = Health(["door"])
    health.note(stats(door=(9, 0, 9)), 1)
    health.vision_changed()
    health.note(stats(door=(0, 0, 0)), 3)
    assert health.ready


def test_frames_that_wait_without_a_result_mean_stuck() -> None:
    health = Health(["door"])
    health.note(stats(door=(10, 0, 9)), 1)
    health.note(stats(door=(50, 40, 9)), 1 + PROGRESS_DEADLINE_S)
    assert not health.stuck(1 + PROGRESS_DEADLINE_S)
    assert health.stuck(1.1 + PROGRESS_DEADLINE_S)
    health.note(stats(door=(51, 40, 10)), 30)
    assert not health.stuck(30)


def test_inference_that_hangs_at_once_after_a_restart_is_noticed() -> None:
    health = Health(["door"])
    health.note(stats(door=(500, 0, 500)), 1)
    health.vision_changed()
    for now in range(10, 60):
        health.note(stats(door=(3, 0, 0)), now)
    assert health.stuck(59)


def test_idle_second_camera_hides_nothing() -> None:
    health = Health(["door"])
    for now in range(60):
        health.note(stats(door=(50, 40, 9), attic=(4, 0, 4)), now)
    assert health.stuck(59)


def test_nothing_is_overdue_while_no_process_beats() -> None:
    health = Health(["door"])
    health.note(stats(door=(5, 0, 4)), 1)
    health.vision_changed()
    assert not health.stuck(1000)  # the supervisor waits before it tries again, and a model may take a minute to load


def test_model_slower_than_the_deadline_gets_its_time() -> None:
    health = Health(["door"])
    slow_ms = 2e3 * PROGRESS_DEADLINE_S
    health.note_model(ipc.ModelServes("ssd", "ssd", "1", "ab", "litert", "none", 0, 1, slow_ms, "", 0))
    health.note(stats(door=(3, 0, 0)), 0)
    health.note(stats(door=(3, 0, 0)), 3 * PROGRESS_DEADLINE_S)
    assert not health.stuck(3 * PROGRESS_DEADLINE_S)
    assert health.stuck(11 * PROGRESS_DEADLINE_S)


def test_no_frames_is_the_cameras_fault_and_not_stuck() -> None:
    health = Health(["door"])
    for now in range(0, 200, 10):
        health.note(stats(door=(10, 4, 6)), now)
        assert not health.stuck(now)
