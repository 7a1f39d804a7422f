from __future__ import annotations

import json
import tomllib

from hypothesis import given
from hypothesis import strategies as st

from edged.config.lines import key_lines

TEXT = '''\
# a comment
top = 1

[cameras.door]   # a header
model = "a" # not [a.header]
note = """
[cameras.fake]
fake = 1
"""
list = [
  1,
  [2, 3],
]
v4l2 = { device = 0, width = 640 }
dotted.key = 2

[ cameras . "b c" ]
model = "x"
[[many]]
first = 1
[[many]]
second = 2
'''


def test_every_key_is_found_where_it_is_stated() -> None:
    lines = key_lines(TEXT)
    assert lines[("top",)] == 2
    assert lines[("cameras",)] == lines[("cameras", "door")] == 4
    assert lines[("cameras", "door", "model")] == 5
    assert lines[("cameras", "door", "note")] == 6
    assert lines[("cameras", "door", "list")] == 10
    assert lines[("cameras", "door", "v4l2", "width")] == 14
    assert lines[("cameras", "door", "dotted", "key")] == 15
    assert lines[("cameras", "b c", "model")] == 18
    assert lines[("many",)] == 19
    assert lines[("many", "second")] == 22
    assert not any("fake" in part for path in lines for part in path)


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(
    st.lists(st.tuples(NAMES, NAMES, st.text(st.characters(exclude_categories=["Cs"]))), unique_by=lambda item: item[0], max_size=6)
)
def test_any_table_and_any_key_is_found_on_its_line(entries: list[tuple[str, str, str]]) -> None:
    quoted = [[quote(part) for part in entry] for entry in entries]
    text = "".join(f"[{table}]\n\n{key} = {value}\n" for table, key, value in quoted)
    tomllib.loads(text)
    lines = key_lines(text)
    for index, (table, key, _) in enumerate(entries):
        assert lines[(table,)] == 3 * index + 1
        assert lines[(table, key)] == 3 * index + 3


def quote(text: str) -> str:
    """A TOML basic string: as JSON's, with DEL escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
