"""``python -m edged.daemon.doctor.page > edged/daemon/doctor/TROUBLESHOOTING.md`` writes the table for people."""

from __future__ import annotations

from collections.abc import Iterator

from edged.daemon.doctor.table import SECTIONS

HEAD = """\
# When something does not work

    edged doctor --config /etc/edged/edged.toml

looks at the machine and at all that the configuration names, and says for each part whether it is ok. What is not has a code, by
which it is found below, and what to do. `fail` keeps edged from its work, `warn` does not. Ask as the user that edged runs as, or
as root.

This page is made from the table that the doctor itself uses, and a test produces the state of every row.
"""


def render() -> str:
    """The page, in Markdown."""
    return HEAD + "".join(_sections())


def _sections() -> Iterator[str]:
    for title, troubles in SECTIONS.items():
        yield f"\n## {title}\n\n| what you see | what it is | what to do | the doctor's finding |\n|---|---|---|---|\n"
        for row in troubles:
            finding = f"{row.check}: {row.severity}, `{row.code}`"
            yield f"| {_cell(row.seen)} | {_cell(row.meaning)} | {_cell(row.fix)} | {finding} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(render(), end="")
