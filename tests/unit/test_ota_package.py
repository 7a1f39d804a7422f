import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.errors import UpdateFailed, UpdateRefused
from edged.ota import package
from edged.ota.package import MAX_FILES, pack, pack_directory, unpack

FILES = {"model.toml": b"name = 'x'\n", "model.tflite": bytes(range(256)) * 5, "empty": b""}

names = st.from_regex(package.NAME, fullmatch=True)


def unpacked(blob: bytes, tmp_path: Path) -> dict[str, bytes]:
    (tmp_path / "blob").write_bytes(blob)
    unpack(tmp_path / "blob", tmp_path / "into")
    return {path.name: path.read_bytes() for path in (tmp_path / "into").iterdir()}


def refusal(blob: bytes, tmp_path: Path) -> str:
    with pytest.raises(UpdateRefused) as caught:
        unpacked(blob, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["blob"], "a refused blob leaves nothing behind"
    return caught.value.code


@given(files=st.dictionaries(names, st.binary(max_size=1500), min_size=1, max_size=8))
def test_comes_out_as_it_went_in(files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    assert unpacked(pack(files), tmp_path_factory.mktemp("blob")) == files


def test_order_of_files_does_not_matter(tmp_path: Path) -> None:
    for name, data in reversed(FILES.items()):
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o600)
    assert pack_directory(tmp_path) == pack(FILES) == pack(dict(reversed(FILES.items())))


def test_any_tar_reads_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(pack(FILES)), errorlevel=2) as tar:
        members = tar.getmembers()
        assert {member.name: tar.extractfile(member).read() for member in members} == FILES  # type: ignore[union-attr]
        assert {(member.mode, member.uid, member.mtime, member.type) for member in members} == {(0o644, 0, 0, tarfile.REGTYPE)}


def tar_of(*members: tuple[str, bytes, dict[str, object]], form: int = tarfile.USTAR_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name, data, fields in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for field, value in fields.items():
                setattr(info, field, value)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "member",
    [
        ("../../etc/passwd", b"x", {}),
        ("/etc/passwd", b"x", {}),
        ("a/b", b"x", {}),
        (".hidden", b"x", {}),
        ("..", b"x", {}),
        ("a\nb", b"x", {}),
        ("a", b"", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ("a", b"", {"type": tarfile.LNKTYPE, "linkname": "b"}),
        ("a", b"", {"type": tarfile.CHRTYPE}),
        ("a", b"", {"type": tarfile.FIFOTYPE}),
        ("a", b"", {"type": tarfile.DIRTYPE}),
        ("a", b"x", {"mode": 0o4755}),
        ("a", b"x", {"uid": 1}),
        ("a", b"x", {"mtime": 1}),
    ],
    ids=str,
)
def test_hostile_members_are_refused(member: tuple[str, bytes, dict[str, object]], tmp_path: Path) -> None:
    assert refusal(tar_of(("A", b"fine", {}), member), tmp_path) == "malformed"


def test_other_forms_are_refused(tmp_path: Path) -> None:
    long = "n" * 120
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        assert refusal(tar_of((long, b"x", {}), form=form), tmp_path) == "malformed"


def test_members_twice_or_out_of_order_are_refused(tmp_path: Path) -> None:
    one, end = pack({"a": b"1"})[:-1024], bytes(1024)
    other = pack({"b": b"2"})[:-1024]
    assert refusal(one + one + end, tmp_path) == "malformed"
    assert refusal(other + one + end, tmp_path) == "malformed"


def test_what_is_hidden_between_files_is_refused(tmp_path: Path) -> None:
    blob = bytearray(pack({"a": b"1"}))
    blob[512 + 100] = 1  # behind the one byte of the file
    assert refusal(bytes(blob), tmp_path) == "malformed"
    assert refusal(pack({"a": b"1"}) + bytes(512), tmp_path) == "malformed"


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = b"".join(pack({f"{number:03}": b""})[:-1024] for number in range(MAX_FILES + 1)) + bytes(1024)
    assert refusal(many, tmp_path) == "oversized"
    with pytest.raises(UpdateRefused, match="65 files"):
        pack({str(number): b"" for number in range(MAX_FILES + 1)})
    monkeypatch.setattr(package, "MAX_BLOB_BYTES", 1 << 20)
    assert refusal(bytes((1 << 20) + 1), tmp_path) == "oversized"
    with pytest.raises(UpdateRefused, match="can be sent"):
        pack({"a": bytes(1 << 20)})


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", ".a", "ä", "a b", "n" * 101, "a\n"])
def test_names_that_are_not_plain_are_not_packed(name: str) -> None:
    with pytest.raises(UpdateRefused):
        pack({name: b""})


def test_links_are_not_packed(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("/etc/passwd")
    with pytest.raises(UpdateRefused, match="plain files"):
        pack_directory(tmp_path)


@given(at=st.integers(0), value=st.integers(0, 255), cut=st.integers(0, 3000))
def test_whatever_is_changed_gives_other_files_or_a_refusal(
    at: int, value: int, cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = pack(FILES)
    changed = bytearray(whole)
    changed[at % len(whole)] = value
    blob = bytes(changed[: len(whole) - cut])
    try:
        files = unpacked(blob, tmp_path_factory.mktemp("blob"))
    except UpdateRefused:
        return
    assert pack(files) == blob


@given(blob=st.binary(max_size=3000))
def test_garbage_is_refused(blob: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert refusal(blob, tmp_path_factory.mktemp("blob")) in {"malformed", "oversized"}


def test_what_a_power_cut_left_is_cleared_and_what_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".into.abc").mkdir()
    (tmp_path / ".into.abc" / "half").write_bytes(b"x")
    assert unpacked(pack(FILES), tmp_path) == FILES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blob", "into"]
    assert unpacked(pack({"other": b""}), tmp_path) == FILES, "a directory is named by its hash: it is there already"


def test_a_disk_that_fails_is_not_the_updates_fault(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(pack(FILES))
    with pytest.raises(UpdateFailed) as caught:
        unpack(tmp_path / "blob", tmp_path / "absent" / "into")
    assert caught.value.code == "interrupted"
