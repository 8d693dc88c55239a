"""What a visitor may send that is wrong, and what he is told. The page goes on serving."""

from __future__ import annotations

import base64
import io
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from vos_kd.data.masks import encode_mask, read_mask
from vos_kd.errors import InputError
from vos_kd.examples import FRAMES, HEIGHT, WIDTH
from vos_kd.video_io import open_clip

TURNED_LEFT = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
"""The matrix of a phone that is held upright."""


def video(
    count: int = 4,
    size: tuple[int, int] = (64, 48),
    *,
    codec: str = "libx264",
    rate: int = 8,
    matrix: Sequence[int] | None = None,
) -> bytes:
    """An mp4 of a bright square that wanders over dark noise, width by height."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        _write_video(path, count, size, codec, rate, matrix)
        return path.read_bytes()


def _write_video(
    path: Path, count: int, size: tuple[int, int], codec: str, rate: int, matrix: Sequence[int] | None
) -> None:
    noise = np.random.default_rng(0).integers(0, 60, (size[1], size[0], 3), np.uint8)
    with av.open(str(path), "w", container_options={"movflags": "+faststart"}) as out:
        stream = out.add_stream(codec, rate, options={"x265-params": "log-level=none"} if codec == "libx265" else {})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p" if not (size[0] | size[1]) % 2 else "yuv444p"
        if matrix is not None:
            stream.set_display_matrix(matrix)
        out.start_encoding()  # a file without frames is one, too
        for number in range(count):
            image = noise.copy()
            image[10:30, 10 + number % 20 : 30 + number % 20] = 230
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode(None))


def archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def square(ids: Sequence[int] = (1,), size: tuple[int, int] = (64, 48)) -> bytes:
    """A mask with a bar of each object, width by height."""
    mask = np.zeros(size[::-1], np.uint8)
    for place, i in enumerate(ids):
        mask[10:30, 4 * place + 2 : 4 * place + 5] = i
    return encode_mask(mask)


@pytest.fixture
def desk(make_desk: Callable[..., Any], make_visitor: Callable[..., Any]) -> Iterator[Any]:
    """A server that, whatever the test sent, serves the next visitor."""
    desk = make_desk(max_seconds=10.0, max_clip_frames=100, max_upload_mib=1)
    yield desk
    other = make_visitor(desk)
    assert other.send("open", video(), "fine.mp4")["clip"]["frames"] == 4
    other.send("mask", square(), "mask.png", frame=0)
    assert other.run()["phase"] == "done"


@pytest.fixture
def visitor(desk: Any, make_visitor: Callable[..., Any]) -> Any:
    return make_visitor(desk)


@pytest.fixture
def marked(visitor: Any) -> Any:
    """A visitor who has a clip of four frames, 64x48, with one object marked."""
    visitor.send("open", video(), "clip.mp4")
    visitor.send("mask", square(), "mask.png", frame=0)
    return visitor


def by_text(value: object) -> str:
    """A case's name: its texts, not its bytes."""
    return value[:40] if isinstance(value, str) else "-"


BOMB = {"0.png": b"\0" * 20_000_000}
SAME = {f"{n}.png": square() for n in range(4)}


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("notes.mp4", b"no video at all", "notes.mp4 cannot be read as a video"),
        ("cut.mp4", video()[:400], "cut.mp4 is packed in a way unknown to this FFmpeg. Store it anew"),
        ("headless.mp4", video()[40:], "headless.mp4 cannot be read as a video"),
        ("noise.mp4", bytes(range(256)) * 40, "noise.mp4 cannot be read as a video"),
        ("empty.mp4", b"", "empty.mp4 is empty"),
        ("none.mp4", video(0), "none.mp4 holds no video"),
        ("one.mp4", video(1), "one.mp4 has one frame; at least 2 are needed"),
        ("long.mp4", video(12, rate=1), r"long.mp4 lasts 12 s \(12 frames\); at most 10 s and 100 frames"),
        ("many.mp4", video(101, rate=60), r"many.mp4 lasts 2 s \(101 frames\); at most 10 s and 100 frames"),
        ("big.mp4", b"x" * (1 << 21), "big.mp4 has 2 MB; at most 1 MB can be uploaded. Cut the clip"),
        ("up.zip", archive({"../up.png": b"x"}), r"up.zip: member '../up.png' has a name that leads out of the zip"),
        ("root.zip", archive({"/etc/a.png": b"x"}), "has an absolute name"),
        ("bomb.zip", archive(BOMB), r"bomb.zip: member '0.png' unpacks to \d+ times its packed size"),
        ("texts.zip", archive({"a.txt": b"x"}), "texts.zip holds no images"),
        ("nested.zip", archive({"a.zip": b"x"}), "is an archive within the archive"),
        ("half.zip", archive(SAME)[:-30], "half.zip is not a readable zip"),
    ],
    ids=by_text,
)
def test_what_is_no_clip_is_refused_by_its_name(visitor: Any, name: str, data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        visitor.send("open", data, name)
    folder = visitor.desk.sessions.get(visitor.key).folder
    assert str(folder) not in str(refused.value)
    assert [path for path in folder.rglob("*") if path.is_file()] == []  # and nothing of it is kept


def test_a_file_is_refused_before_it_is_sent(visitor: Any) -> None:
    with pytest.raises(InputError, match=r"film.mkv has 3 MB; at most 1 MB can be uploaded"):
        visitor.ask("check", name="film.mkv", size=3 << 20)
    assert visitor.ask("check", name="film.mkv", size=1 << 20) == {}


@pytest.mark.parametrize("path", ["/etc/hostname", "", "uploads/../../x", "\0", None, 7])
def test_a_path_that_is_no_upload_is_refused(visitor: Any, path: object) -> None:
    with pytest.raises(InputError, match="the upload did not arrive"):
        visitor.ask("open", path=path, name="clip.mp4")


def test_a_damaged_frame_is_told_by_the_clips_name(visitor: Any) -> None:
    whole = video(40, size=(160, 120))
    # The index comes first, the frames' data after it; the data's end is missing.
    told = visitor.send("open", whole[: len(whole) * 9 // 10], "torn.mp4")
    assert told["clip"]["frames"] == 40  # as the file announces
    with pytest.raises(InputError, match=r"^torn.mp4 has no frame 39, counted from 0. It announces 40 frames"):
        visitor.ask("frame", frame=39)
    visitor.send("mask", square(size=(160, 120)), "mask.png", frame=0)
    result = visitor.run(models=["student"])
    assert 2 < result["frames"] < 39
    assert "the clip ends early" in result["warnings"][0]


def test_hevc_is_taken_and_shown(visitor: Any) -> None:
    told = visitor.send("open", video(codec="libx265"), "phone.mov")
    assert told["clip"]["frames"] == 4
    assert told["frame"]["picture"].startswith("data:image/jpeg;base64,")


def run_through(visitor: Any, size: tuple[int, int]) -> None:
    """Mark and run; masks and video are of the clip's size, the video's rounded up to even numbers."""
    visitor.send("mask", square(size=size), "mask.png", frame=0)
    result = visitor.run()
    assert [model["done"] for model in result["models"]] == [4, 4]
    plan = visitor.desk.sessions.get(visitor.key).run.plan
    assert read_mask(plan.mask_path("teacher", 3)).shape == size[::-1]
    with open_clip(Path(result["models"][0]["video"])) as made:
        assert (made.info.width, made.info.height) == tuple(side + side % 2 for side in size)


def test_an_odd_size_runs(visitor: Any) -> None:
    told = visitor.send("open", video(size=(101, 75)), "odd.mp4")
    assert (told["clip"]["width"], told["clip"]["height"]) == (101, 75)
    run_through(visitor, (101, 75))


def test_a_phones_clip_stands_upright(visitor: Any) -> None:
    told = visitor.send("open", video(size=(64, 48), matrix=TURNED_LEFT), "upright.mp4")
    assert (told["clip"]["width"], told["clip"]["height"]) == (48, 64)
    assert (told["frame"]["width"], told["frame"]["height"]) == (48, 64)
    run_through(visitor, (48, 64))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (square(size=(32, 24)), "the mask first.png is 32x24 pixels but its image is 64x48"),
        (square(ids=()), "the mask first.png shows no object"),
        (b"no picture", "the mask first.png is no image; expected a PNG"),
        (square()[:60], "the mask first.png is damaged"),
        (square(range(1, 12)), "that would be 11 objects; at most 10 can be followed at once"),
    ],
    ids=by_text,
)
def test_a_mask_that_does_not_fit_is_refused_and_changes_nothing(marked: Any, data: bytes, message: str) -> None:
    before = marked.desk.sessions.get(marked.key).history
    with pytest.raises(InputError, match=message):
        marked.send("mask", data, "first.png", frame=0)
    assert marked.desk.sessions.get(marked.key).history == before


def test_an_eleventh_object_is_refused(visitor: Any) -> None:
    visitor.send("open", video(), "clip.mp4")
    for number in range(1, 11):
        click = {"kind": "click", "object": number, "x": 5 * number, "y": 20, "foreground": True}
        assert len(visitor.ask("edit", frame=0, **click)["marks"]["objects"]) == number
    with pytest.raises(InputError, match="that would be 11 objects; at most 10 can be followed at once"):
        visitor.ask("edit", frame=0, kind="box", object=11, x0=1, y0=1, x1=20, y1=20)


def painted_over(size: tuple[int, int] = (64, 48)) -> str:
    """A stroke over the whole frame, as a canvas gives it."""
    _, data = cv2.imencode(".png", np.full((*size[::-1], 4), 255, np.uint8))
    return f"data:image/png;base64,{base64.b64encode(data.tobytes()).decode()}"


def test_a_stroke_that_would_unpack_to_gigabytes_is_refused_unread(marked: Any) -> None:
    rows = zlib.compress(bytes(1 + 4 * 20_000) * 200, 9)  # a part of them: it is not to be read at all
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 6, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    address = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    with pytest.raises(InputError, match="did not arrive as a picture of the frame's size"):
        marked.ask("edit", frame=0, kind="stroke", object=1, png=address, foreground=True)


def test_marks_behind_the_part_to_run_are_told_of(visitor: Any) -> None:
    visitor.send("open", video(), "clip.mp4")
    visitor.send("mask", square(), "mask.png", frame=2)
    plan = visitor.ask("plan", end=2)["plan"]
    assert (plan["start"], plan["first_mark"]) == (None, 2)
    with pytest.raises(InputError, match="the first mark is in frame 2, behind the part to run"):
        visitor.run(end=2)
    assert visitor.ask("plan", end=3)["plan"]["start"] == 2


def test_nothing_marked_is_nothing_to_run(visitor: Any) -> None:
    visitor.send("open", video(), "clip.mp4")
    with pytest.raises(InputError, match=r"nothing is marked yet. Draw a box around an object"):
        visitor.run()
    click = {"kind": "click", "object": 1, "x": 20, "y": 20}
    visitor.ask("edit", frame=0, **click, foreground=True)
    visitor.ask("edit", frame=0, kind="stroke", object=1, png=painted_over(), foreground=False)
    with pytest.raises(InputError, match="what is marked in frame 0 makes no mask"):
        visitor.run()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"kind": "box", "object": 1, "x0": 0, "y0": 0, "x1": 10}, "the page asked to edit without 'y1'"),
        ({"kind": "box", "object": 1, "x0": 200, "y0": 200, "x1": 300, "y1": 300}, "outside|beyond|lies"),
        ({"kind": "click", "object": 0, "x": 1, "y": 1, "foreground": True}, "object id"),
        ({"kind": "click", "object": 1, "x": "a", "y": 1, "foreground": True}, "x is"),
        ({"kind": "stroke", "object": 1, "png": "data:text/html,x", "foreground": True}, "did not arrive as a picture"),
        ({"kind": "rename", "object": 1, "name": "x" * 41}, "cannot be used; expected at most 40 printable"),
        ({"kind": "burn"}, "'burn', which is not known here"),
        ({"kind": ["box"]}, "which is not known here"),
    ],
)
def test_odd_marks_get_a_message(marked: Any, edit: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        marked.ask("edit", frame=0, **edit)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"end": 0}, "there is no frame -1; clip.mp4 has frames 0 to 3"),
        ({"end": 9}, "there is no frame 8"),
        ({"end": "all"}, "there is no frame all"),
        ({"models": ["nobody"]}, "there is no model 'nobody' here; there are student, teacher"),
        ({"models": []}, "expected one model, or two different ones"),
        ({"models": ["student", "student"]}, "expected one model, or two different ones"),
        ({"models": [["student"]]}, "there is no model"),
    ],
)
def test_odd_wishes_get_a_message(marked: Any, question: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        marked.run(**question)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"00000.png": square(size=(32, 24))}, "truth.zip: 00000.png is 32x24 pixels but its image is 64x48"),
        ({"00009.png": square()}, "'00009.png' belongs to no frame of the clip; .* 00000.png to 00003.png"),
        ({"first.png": square()}, "'first.png' belongs to no frame"),
        ({"0.png": square(), "00.png": square()}, "is a second mask of frame 00000"),
        ({"0.png": square(ids=(2,))}, r"the truth shows the objects \[2\], but \[1\] are prompted"),
        ({"0.png": square(ids=())}, "truth.zip: no true mask shows an object"),
        ({"0.png": b"x"}, "truth.zip: 0.png is no image"),
        ({"../0.png": square()}, "leads out of the zip"),
        (BOMB, "unpacks to"),
        ({}, "truth.zip holds no images"),
    ],
    ids=by_text,
)
def test_a_truth_that_does_not_fit_is_refused(marked: Any, members: dict[str, bytes], message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        marked.send("truth", archive(members), "truth.zip")
    assert str(marked.desk.sessions.root) not in str(refused.value)
    assert not list(marked.desk.sessions.get(marked.key).folder.glob("truth-*"))
    assert marked.desk.sessions.get(marked.key).clip.truth is None


def test_a_truth_that_fits_is_scored(marked: Any) -> None:
    assert marked.send("truth", archive(SAME), "truth.zip") == {"has_truth": True}
    result = marked.run()
    assert [model["j_mean"] for model in result["models"]] == [1.0, 1.0]
    assert result["models"][0]["j"] == [None, 1.0, 1.0, 1.0]  # the first was given


def test_the_clip_of_an_example_can_be_taken_along(visitor: Any) -> None:
    visitor.ask("example", name="fish")
    result = visitor.run()
    path = Path(visitor.ask("make", what="clip")["path"])
    assert f" {path.name} --mask=" in result["command"]
    with open_clip(path) as clip:
        assert (clip.info.width, clip.info.height, clip.info.frame_count) == (WIDTH, HEIGHT, FRAMES)


SCRIPT = "<img src=x onerror=alert(1)>"


def test_names_are_kept_as_text(visitor: Any) -> None:
    told = visitor.send("open", video(), f"../{SCRIPT}.mp4")
    assert told["clip"]["name"] == f"{SCRIPT}.mp4"
    visitor.send("mask", square(), "mask.png", frame=0)
    told = visitor.ask("edit", frame=0, kind="rename", object=1, name=SCRIPT)
    assert told["marks"]["objects"][0]["name"] == SCRIPT
    visitor.run()
    path = Path(visitor.ask("make", what="masks")["path"])
    assert path.name == "img-src-x-onerror-alert-1-masks.zip"
    with zipfile.ZipFile(path) as file:
        assert all("<" not in name for name in file.namelist())


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"what": "virus"}, "there is no 'virus' of 'None' in this run"),
        ({"what": "webm", "model": "nobody"}, "there is no 'webm' of 'nobody' in this run"),
        ({"what": "webm", "model": ["student"]}, "without its name"),
        ({"what": ["webm"]}, "without its name"),
        ({}, "the page asked to make without 'what'"),
    ],
)
def test_odd_takeaways_get_a_message(marked: Any, question: dict[str, Any], message: str) -> None:
    marked.run()
    with pytest.raises(InputError, match=message):
        marked.ask("make", **question)


@pytest.mark.parametrize("question", [None, [], {}, {"ask": 7}, {"ask": "__init__"}, {"ask": "frame"}, {"ask": "make"}])
def test_odd_questions_get_a_message(visitor: Any, question: Any) -> None:
    with pytest.raises(InputError, match=r"Reload the page|no finished run|no clip"):
        visitor.desk.answer(visitor.key, question)
