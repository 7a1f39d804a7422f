"""Mutants of firmware/boot, each of which boot_power_cut_test must fail for: what it promises is then not kept.

A mutant is a text in the real source that is replaced by another. The text must be there exactly once, so that a change of the
source that moves it is told here, and not by a mutant that is none. Only its file is compiled; its object is linked before the
library, which then does not give its own.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from building import FIRMWARE, built

TEST = "boot_power_cut_test"
WITHIN_S = 600
"""No measure of speed: far more than the test takes on a busy machine."""
FAILED = 1
"""What a program of GoogleTest ends with if a test in it failed."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A wrong ``file`` of firmware/boot, in which ``text`` is ``instead``."""

    name: str
    file: str
    text: str
    instead: str

    def source(self) -> str:
        """All of the wrong file; raises ValueError if the text is not there, or more than once."""
        whole = (FIRMWARE / "boot" / self.file).read_text()
        if (count := whole.count(self.text)) != 1:
            raise ValueError(f"{self.name}: {self.file} has its text {count} times and not once: {self.text!r}")
        return whole.replace(self.text, self.instead)


UNVERIFIED_CONFIRMATION = Mutant(
    "confirms without verifying", "slots.cc",
    "if (const Status status = inspect(kind, state.trial, image); !ok(status)) return status;",
    "FlashSource source(flash_, region(kind, state.trial));\n    static_cast<void>(read_image(source, Extent::kSlot, image));",
)  # fmt: skip
EARLY_CONFIRMATION = Mutant(
    "confirms before it verifies", "slots.cc",
    "    if (const Status status = inspect(kind, state.trial, image); !ok(status)) return status;",
    """    State early = next;
    early.of(kind).active = state.trial;
    early.of(kind).trial = kNoSlot;
    early.of(kind).stage = Stage::kNone;
    if (const Status status = record(early); !ok(status)) return status;
    if (const Status status = inspect(kind, state.trial, image); !ok(status)) return status;""",
)  # fmt: skip
UNRECORDED_TRIAL = Mutant(
    "starts a trial that is recorded nowhere", "loader.cc",
    "const bool recorded = ok(slots_.record(state));", "const bool recorded = true;",
)  # fmt: skip
UNCHANGED = Mutant("changes nothing", EARLY_CONFIRMATION.file, EARLY_CONFIRMATION.text, EARLY_CONFIRMATION.text)
"""None of them: the test must pass with it, or it fails for how they are built and not for what they are."""
MUTANTS = (
    EARLY_CONFIRMATION,
    UNVERIFIED_CONFIRMATION,
    UNRECORDED_TRIAL,
    Mutant(
        "starts a trial that is recorded as still to come",
        "loader.cc",
        "      state.stage = Stage::kRunning;\n",
        "",
    ),
    Mutant(
        "takes no trial back",
        "loader.cc",
        "if (image.stage != Stage::kRunning) continue;",
        "if (image.stage != Stage::kRunning || image.active != kNoSlot) continue;",
    ),
    Mutant("rejects nothing whose trial failed", "loader.cc", "    reject(image, image.trial);\n", ""),
    Mutant(
        "does not see what was rejected",
        "slots.cc",
        "slot == kNoSlot || rejected(state, slot) || slot",
        "slot == kNoSlot || slot",
    ),
    Mutant(
        "does not verify what was copied to RAM",
        "loader.cc",
        "const Status status = verify(source, Extent::kFile, slots_.key(), {kind, slots_.board()}, image);",
        "const Status status = read_image(source, Extent::kFile, image);",
    ),
    Mutant(
        "does not verify what stays in flash",
        "loader.cc",
        "if (const Status status = slots_.inspect(kind, slot, image); !ok(status)) return status;",
        "if (const Status status = read_image(stored, Extent::kSlot, image); !ok(status)) return status;",
    ),
    Mutant(
        "starts what is below the security counter", "loader.cc", "return slots_.admit(kind, slot, image);", "return Status::kOk;"
    ),
    Mutant(
        "does not verify an upload at its end",
        "upload.cc",
        "if (const Status status = slots_.inspect(kind_, slot_, image); !ok(status)) return status;\n"
        "  if (image.total_size != length_) return Status::kMalformed;",
        "FlashSource source(slots_.flash(), slots_.region(kind_, slot_));\n"
        "  if (const Status status = read_image(source, Extent::kSlot, image); !ok(status)) return status;",
    ),
    Mutant(
        "leaves what it refused",
        "upload.cc",
        "if (!ok(status)) static_cast<void>(slots_.erase(kind_, slot_, 0));",
        "",
    ),
    Mutant(
        "begins an upload over what a record refers to",
        "upload.cc",
        "if (const Status status = slots_.release(kind, slot.value()); !ok(status)) return status;\n  whole_",
        "whole_",
    ),
    Mutant(
        "marks what is not verified",
        "slots.cc",
        "if (const Status status = inspect(kind, slot, image); !ok(status)) return status;\n"
        "  if (const Status status = admit(kind, slot, image); !ok(status)) return status;",
        "",
    ),
    Mutant(
        "marks what was whole once",
        "slots.cc",
        "if (const Status status = inspect(kind, slot, image); !ok(status)) return status;\n  if",
        "if (const Status status = look(kind, slot, image); !ok(status)) return status;\n  if",
    ),
    Mutant(
        "marks what runs",
        "slots.cc",
        "slot == running_.of(kind) || on_trial(kind)) return Status::kWrongState;\n"
        "  if (slot == state_.of(kind).active) return Status::kWrongState;",
        "on_trial(kind)) return Status::kWrongState;",
    ),
    Mutant("marks what is active", "slots.cc", "  if (slot == state_.of(kind).active) return Status::kWrongState;\n", ""),
    Mutant(
        "does not compare the security counter",
        "slots.cc",
        "if (image.counter < state_.of(kind).floor) return Status::kDowngrade;",
        "",
    ),
    Mutant(
        "does not raise the security counter",
        "slots.cc",
        "    if (image.counter > state.floor) state.floor = image.counter;\n",
        "",
    ),
    Mutant(
        "uploads while a trial runs",
        "slots.cc",
        "if (!journal_.writable() || on_trial(kind)) return Status::kWrongState;\n  const uint8_t keep",
        "if (!journal_.writable()) return Status::kWrongState;\n  const uint8_t keep",
    ),
    Mutant("uploads to what runs", "slots.cc", "uint8_t{0} : other(keep);", "uint8_t{0} : keep;"),
    Mutant(
        "erases the journal before its state is written elsewhere",
        "journal.cc",
        "  sector_ = other;\n  next_ = 0;\n",
        "  if (full != kNoSlot) {\n"
        "    if (const Status status = flash_.erase(map_.journal[full].address); !ok(status)) return status;\n"
        "  }\n"
        "  sector_ = other;\n  next_ = 0;\n",
    ),
    Mutant(
        "believes a record whose sum is wrong",
        "journal.cc",
        "if (get_u32(record) != kMagic || get_u32(record + kCrcOffset) != protocol::crc32({record, kCrcOffset})) return false;",
        "if (get_u32(record) != kMagic) return false;",
    ),
    Mutant(
        "believes any signature",
        "verify.cc",
        "return signed_by(key, hash, signature) ? Status::kOk : Status::kUnsigned",
        "return Status::kOk",
    ),
    Mutant("believes any board", "verify.cc", "if (std::strcmp(image.board, expected.board) != 0) return Status::kWrongBoard;", ""),
)
"""Not among them is what only flash that keeps weak bits after a cut would show, which is not simulated: that a record is read
back, and that a sector is erased though it looks blank.
"""


@dataclass
class Outcome:
    """What was seen of each mutant. ``problems`` are those that no test failed for."""

    noticed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


class NotNoticedError(Exception):
    """No test failed, and how the program ended instead."""


def run(mutants: tuple[Mutant, ...], directory: Path, tell: Callable[[int], None] = lambda done: None, tests: str = "*") -> Outcome:
    """Builds each one and runs the test with it, until it fails; ``tests`` are those of its tests, as GoogleTest takes them."""
    begun_s = time.monotonic()
    outcome = Outcome()
    program = built("host", TEST)
    for done, mutant in enumerate(mutants, 1):
        wrong = build(mutant, program, directory / f"mutant-{done}")
        try:
            outcome.noticed[mutant.name] = first_failure(wrong, tests)
        except NotNoticedError as error:
            outcome.problems.append(f"{mutant.name}: {TEST} {error}")
        tell(done)
    outcome.seconds = time.monotonic() - begun_s
    return outcome


def build(mutant: Mutant, program: Path, directory: Path) -> Path:
    """The test with the mutant in it."""
    directory.mkdir()
    source, obj, wrong = directory / mutant.file, directory / "mutant.o", directory / TEST
    source.write_text(mutant.source())
    compile_, link = commands(program, mutant.file)
    _run([*compile_, "-w", "-c", str(source), "-o", str(obj)], program.parent)  # what it leaves unused is no fault of it
    at = link.index("-o")
    _run([*link[:at], "-o", str(wrong), str(obj), *link[at + 2 :]], program.parent)
    return wrong


def commands(program: Path, file: str) -> tuple[list[str], list[str]]:
    """How the build compiles a file of firmware/boot, without what names source and object; and how it links the test."""
    database = json.loads((program.parent / "compile_commands.json").read_text())
    path = str(FIRMWARE / "boot" / file)
    compile_ = shlex.split(next(one["command"] for one in database if one["file"] == path))
    for name in ("-o", "-c"):
        at = compile_.index(name)
        del compile_[at : at + 2]
    last = _run(["ninja", "-t", "commands", "-s", program.name], program.parent).splitlines()[-1]
    link = last.split(" && ")[1]  # CMake puts a command before it and one behind it, for those who want some
    return compile_, shlex.split(link)


def first_failure(program: Path, tests: str = "*", within_s: float = WITHIN_S) -> str:
    """What did not hold, in a word of the test; raises NotNoticedError if it passes, crashes or does not end."""
    try:
        done = subprocess.run(
            [program, "--gtest_fail_fast", f"--gtest_filter={tests}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=within_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotNoticedError(f"does not end within {within_s:g} s") from None
    if done.returncode == 0:
        raise NotNoticedError("passes all the same")
    said = [line.strip() for line in done.stdout.splitlines()]
    failed = [line.removeprefix("[  FAILED  ] ") for line in said if line.startswith("[  FAILED  ] ")]
    if done.returncode != FAILED or not failed:
        raise NotNoticedError(f"ends with status {done.returncode}, and no test failed")
    return next((line.removeprefix("Which is: ").strip('"') for line in said if line.startswith("Which is: ")), failed[0])


def _run(command: list[str], directory: Path) -> str:
    done = subprocess.run(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)}:\n{done.stdout[-4000:]}")
    return done.stdout
