"""What can be wrong with a device that runs: the one table of codes that health, doctor and documentation speak in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["degraded", "failing"]
"""``failing``: nothing is watched, or what happens is not kept. ``degraded``: a part of the work, or its quality, is missing."""

HealthStatus = Literal["ok", "degraded", "failing"]

ProblemCode = Literal[
    "no_camera",
    "camera_lost",
    "vision_restarting",
    "inference_stuck",
    "accelerator_fallback",
    "store_full",
    "store_dropping",
    "disk_low",
    "undervoltage",
    "throttled",
    "clock_unsynchronised",
    "reload_refused",
    "mcu_lost",
    "mcu_in_loader",
    "mcu_self_test_failed",
    "mcu_model_refused",
    "mcu_no_model",
    "mcu_restarting",
    "mcu_noisy",
    "mcu_update_failed",
]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a code means, and what a person does about it."""

    severity: Severity
    meaning: str
    fix: str


PROBLEMS: dict[ProblemCode, Explanation] = {
    "no_camera": Explanation(
        "failing",
        "No camera delivers: nothing is watched.",
        "See camera_lost for each; if all went at once, look at the power supply, the USB hub or the network.",
    ),
    "camera_lost": Explanation(
        "degraded",
        "The camera delivers no frames; it is opened again and again until it does.",
        "Look at its cable, power and address; `edged doctor --config FILE` tries it while the daemon is stopped.",
    ),
    "vision_restarting": Explanation(
        "failing",
        "The process that looks at the pictures died, and the one in its place does not work yet.",
        "The log says how it died; if it goes on, suspect a camera driver, the memory (`dmesg`) or the model.",
    ),
    "inference_stuck": Explanation(
        "failing",
        "Frames wait and none is inferred.",
        "It is started anew by itself; if it comes again, use a smaller model or fewer threads, or look for a failing accelerator.",
    ),
    "accelerator_fallback": Explanation(
        "degraded",
        "The model runs on the CPU, not on the accelerator that it is to have.",
        "Plug the accelerator in, directly and with enough power; `edged doctor` says whether it is found.",
    ),
    "store_full": Explanation(
        "failing",
        "The disk is full of something else: events are lost.",
        "Free space on the file system of state_directory.",
    ),
    "store_dropping": Explanation(
        "degraded",
        "The store reached its bound: the oldest events go before the broker got them.",
        "Mend the way to the broker, or raise max_mb, max_events or max_age_days in [store].",
    ),
    "disk_low": Explanation(
        "degraded",
        "Little space is left on the disk that the store is on.",
        "Free space on the file system of state_directory, or lower max_mb in [store].",
    ),
    "undervoltage": Explanation(
        "degraded",
        "The supply gives less volts than the board needs.",
        "Use the power supply made for this Pi and a short cable.",
    ),
    "throttled": Explanation(
        "degraded",
        "The CPU is slowed down, by heat or for want of power.",
        "Fit a heat sink or a fan.",
    ),
    "clock_unsynchronised": Explanation(
        "degraded",
        "Nothing sets the clock: events carry times that may be wrong, and are marked so.",
        "Run `timedatectl set-ntp true`; without a network, fit a clock module (RTC).",
    ),
    "reload_refused": Explanation(
        "degraded",
        "The configuration was changed and refused; the one before serves on.",
        "`edged check FILE` and the log name the mistakes; `edged reload` tries again.",
    ),
    "mcu_lost": Explanation(
        "degraded",
        "The microcontroller is not there, or says nothing; its port is opened again and again until it does.",
        "Look at its cable and power, and at port and baud; `edged doctor --config FILE` tries it while the daemon is stopped.",
    ),
    "mcu_in_loader": Explanation(
        "degraded",
        "The microcontroller answers, and no application runs on it: its loader waits for one.",
        "Put firmware onto it (`edged mcu flash`, with the daemon stopped), or start it anew if it was told to stay in the loader.",
    ),
    "mcu_self_test_failed": Explanation(
        "degraded",
        "The microcontroller's model does not give the answers that it was signed with.",
        "Go back to the model before; if that fails too, suspect the board's memory or a firmware that does not suit it.",
    ),
    "mcu_model_refused": Explanation(
        "degraded",
        "The firmware of the microcontroller cannot run its model, and infers nothing.",
        "The detail names the operator or the memory that it lacks: convert the model for it, or give it a firmware that can.",
    ),
    "mcu_no_model": Explanation(
        "degraded",
        "The microcontroller runs without a model, and infers nothing.",
        "Put one onto it: `edged mcu flash`, or an update by follow_model.",
    ),
    "mcu_restarting": Explanation(
        "degraded",
        "The microcontroller starts anew again and again by itself.",
        "Look at its power supply; if it began with an update, go back to what it ran before.",
    ),
    "mcu_noisy": Explanation(
        "degraded",
        "What comes from the microcontroller is often damaged: results are lost.",
        "Use a shorter or shielded cable, a common ground, or a lower baud on both sides.",
    ),
    "mcu_update_failed": Explanation(
        "degraded",
        "What is confirmed for the microcontroller could not be put onto it; it runs something else.",
        "The detail says why; it is tried again when the board is plugged in anew.",
    ),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem that is there: of which camera, model or microcontroller (``subject``, or empty), what is known of it, since when.

    ``since_ns`` is CLOCK_MONOTONIC.
    """

    code: ProblemCode
    subject: str
    detail: str
    since_ns: int

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return PROBLEMS[self.code].severity
