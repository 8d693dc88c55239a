"""Predicted masks in folders and zips: found, counted, and refused where a zip is not what it should be."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from evaluation.errors import ProtocolError
from evaluation.index_png import MAX_BYTES
from evaluation.result_files import open_results

WANTED = {"bear": ("00001", "00002"), "cat": ("00001",)}
FILES = ("bear/00000.png", "bear/00001.png", "bear/00002.png", "cat/00001.png")


def fill(folder: Path, files: tuple[str, ...] = FILES) -> Path:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name[-13:].encode())
    return folder


def pack(path: Path, files: tuple[str, ...] = FILES) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in files:
            archive.writestr(name, name[-13:].encode())
    return path


@pytest.mark.parametrize("prefix", ["", "Annotations/"])
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_masks_are_found(tmp_path: Path, kind: str, prefix: str) -> None:
    extra = ("notes.txt", "bear/.hidden.png", "__MACOSX/bear/00001.png/x", "bear/deep/00009.png", "dog/00001.png")
    files = tuple(prefix + name for name in (*FILES, *extra))
    results = open_results(fill(tmp_path / "r", files) if kind == "folder" else pack(tmp_path / "r.zip", files))
    results.require(WANTED)
    assert set(results.sequences()) >= {"bear", "cat", "dog"}
    assert list(results.frames("bear")) == ["00000", "00001", "00002"]
    assert results.read("bear", "00002") == (prefix + "bear/00002.png")[-13:].encode()


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            ("bear/00001.png", "bear/00002.png"),
            r"lacks 1 of 2 sequences: cat\. .*not scored as 0: predict them, or name",
        ),
        (FILES[:2] + FILES[3:], r"lacks 1 of 2 frames of sequence 'bear': 00002\.png; it has names such as 0000"),
        (
            ("bear/1.png", "bear/2.png", "cat/00001.png"),
            r"lacks 2 of 2 frames of sequence 'bear': 00001\.png, 00002\.png",
        ),
        (("bear/00001.jpg", "cat/00001.png"), r"lacks (1 of 2 sequences|2 of 2 frames)"),
        (
            ("run/bear/00001.png", "run/cat/00001.png"),
            r"has no wanted sequence, such as 'bear': it holds (run|no folder)",
        ),
    ],
)
def test_missing_masks_are_named(tmp_path: Path, kind: str, files: tuple[str, ...], message: str) -> None:
    results = open_results(fill(tmp_path / "r", files) if kind == "folder" else pack(tmp_path / "r.zip", files))
    with pytest.raises(ProtocolError, match=message):
        results.require(WANTED)


def test_suffixes_in_capitals(tmp_path: Path) -> None:
    results = open_results(fill(tmp_path, ("bear/00001.PNG", "bear/00002.png", "cat/00001.Png")))
    results.require(WANTED)
    assert results.read("bear", "00001") == b"ear/00001.PNG"


def test_nothing_at_all(tmp_path: Path) -> None:
    with pytest.raises(
        ProtocolError, match=r"no .*missing: expected a folder or a zip of masks\. Expected SEQUENCE/FRAME"
    ):
        open_results(tmp_path / "missing")
    for empty in (tmp_path, pack(tmp_path / "r.zip", ())):
        results = open_results(empty)
        with pytest.raises(ProtocolError, match=r"no wanted sequence, such as 'bear': it holds no folder of PNG files"):
            results.require(WANTED)


def test_a_damaged_zip(tmp_path: Path) -> None:
    path = pack(tmp_path / "r.zip")
    whole = path.read_bytes()
    for length in (0, 10, len(whole) - 30):
        path.write_bytes(whole[:length])
        with pytest.raises(ProtocolError, match=r"r\.zip is not a zip that can be read: .*Pack or download it again"):
            open_results(path)
    broken = bytearray(whole)
    broken[whole.index(b"bear/00001.png") + 16] ^= 0xFF  # in its compressed data
    path.write_bytes(broken)
    results = open_results(path)
    assert results.read("bear", "00002")
    with pytest.raises(
        ProtocolError, match=r"sequence 'bear', frame '00001' in .* is damaged: .*Pack or download it again"
    ):
        results.read("bear", "00001")


@pytest.mark.parametrize(
    "name", ["../bear/00001.png", "/bear/00001.png", "bear/../../x.png", "bear\\00001.png", "C:/bear/1.png"]
)
def test_names_that_lead_out_of_a_zip(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        ProtocolError, match=r"which leads out of the zip or is no portable name\. Expected SEQUENCE/FRAME"
    ):
        open_results(pack(tmp_path / "r.zip", (*FILES, name)))


def test_links_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as archive:
        entry = zipfile.ZipInfo("bear/00001.png")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(ProtocolError, match=r"'bear/00001\.png', which is a link\. Pack the files themselves"):
        open_results(tmp_path / "r.zip")


def test_a_bomb(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "r.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bear/00001.png", bytes(MAX_BYTES + 1))
    assert (tmp_path / "r.zip").stat().st_size < 10**5
    with pytest.raises(ProtocolError, match=rf"of {MAX_BYTES + 1} bytes; a mask has at most {MAX_BYTES}"):
        open_results(tmp_path / "r.zip")


def test_a_mask_that_cannot_be_read(tmp_path: Path) -> None:
    results = open_results(fill(tmp_path, FILES))
    results.require(WANTED)
    (tmp_path / "bear/00001.png").unlink()
    (tmp_path / "bear/00001.png").mkdir()
    with pytest.raises(
        ProtocolError,
        match=r"sequence 'bear', frame '00001' cannot be read: Is a directory\. Expected .*write it again",
    ):
        results.read("bear", "00001")


def test_a_file_too_large_for_a_mask(tmp_path: Path) -> None:
    fill(tmp_path)
    with (tmp_path / "bear/00001.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ProtocolError, match=r"sequence 'bear', frame '00001' has more than 16 MiB; that is no mask"):
        open_results(tmp_path).read("bear", "00001")


def test_a_password(tmp_path: Path) -> None:
    data = bytearray(pack(tmp_path / "r.zip", ("bear/00001.png",)).read_bytes())
    data[6] |= 1  # flags of the local header, and of the list at the end
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "r.zip").write_bytes(data)
    with pytest.raises(ProtocolError, match="which needs a password"):
        open_results(tmp_path / "r.zip")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_mask_packed_twice(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="for a frame that it already has"):
        open_results(pack(tmp_path / "r.zip", (*FILES, "bear/00001.png")))
