"""``edged mcu``: firmware and models for microcontrollers, from their sources to what a board on a serial port answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.cli import mcu_bench, mcu_build, mcu_flash, mcu_info, mcu_list, mcu_monitor, mcu_run, mcu_sign, mcu_state

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs

ACTIONS = (mcu_list, mcu_sign, mcu_build, mcu_flash, mcu_info, mcu_monitor, mcu_run, mcu_state, mcu_bench)


def register(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("mcu", help="build, sign, flash and watch microcontrollers; run models on them")
    actions = verb.add_subparsers(title="actions", metavar="ACTION", required=True)
    for action in ACTIONS:
        action.register(actions)
