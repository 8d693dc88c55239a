"""The segment command on small clips, with random weights: what it writes, says and refuses, and how it stops."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from vos_kd.checkpoint import read_weights, save_weights
from vos_kd.config import PRESETS
from vos_kd.data.masks import palette, read_mask, write_mask
from vos_kd.files import sha256
from vos_kd.modeling.registry import build_model, get_config
from vos_kd.segment import main
from vos_kd.segment_request import _clip_sha256
from vos_kd.segment_run import _stop_on_interrupt
from vos_kd.video_io import VideoWriter

ROOT = Path(__file__).resolve().parents[2]
HEIGHT, WIDTH, FRAMES, FPS = 48, 64, 10, 24


class Case(NamedTuple):
    """Files to begin with."""

    clip: Path
    mask: Path
    weights: Path


def frame_images(count: int = FRAMES, height: int = HEIGHT, width: int = WIDTH) -> list[np.ndarray]:
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    return [np.roll(noise, shift, axis=1) for shift in range(count)]


def write_clip(path: Path, images: list[np.ndarray]) -> Path:
    with VideoWriter(path, FPS) as video:
        for image in images:
            video.write(image)
    return path


def box_mask(object_id: int = 1, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2 + 1, width // 4 : width // 2 + 1] = object_id
    return mask


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("case")
    clip = write_clip(folder / "dogs.mp4", frame_images())
    mask = box_mask(3)
    mask[:2] = 255
    write_mask(folder / "first.png", mask)
    torch.manual_seed(0)
    weights = folder / "tiny.safetensors"
    save_weights(weights, build_model("student_small").state_dict(), get_config("student_small"))
    return Case(clip, folder / "first.png", weights)


@pytest.fixture
def segment(case: Case, tmp_path: Path) -> Callable[..., int]:
    """Run the command in this process; keyword `clip`, `mask`, `model`, `out` replace the case's."""

    def run(*options: object, **replaced: object) -> int:
        files = {"clip": case.clip, "mask": case.mask, "model": case.weights, "out": tmp_path / "out", **replaced}
        argv = [files.pop("clip"), *(part for name, value in files.items() for part in (f"--{name}", value)), *options]
        return main([*map(str, argv), "--quiet"])

    return run


def command(*argv: object, cwd: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    full = [sys.executable, "-m", "vos_kd.segment", *map(str, argv)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(full, cwd=cwd, env=environment, capture_output=True, text=True, check=False, **options)


def frame_count(video: Path) -> int:
    with av.open(str(video)) as container:
        return sum(1 for _ in container.decode(video=0))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def manifest_in(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return content


def assert_refused(code: int, capsys: pytest.CaptureFixture[str], *parts: str) -> None:
    """Exit code 2, one line that says so with all of `parts`, and nothing on stdout."""
    printed = capsys.readouterr()
    assert code == 2
    assert printed.out == ""
    assert printed.err.startswith("vos-kd-segment: error: ")
    assert printed.err.count("\n") == 1
    for part in parts:
        assert part in printed.err


def test_help_is_quick(tmp_path: Path) -> None:
    began = time.monotonic()
    result = command("--help", cwd=tmp_path)
    assert time.monotonic() - began < 1
    assert result.returncode == 0
    assert "--masks-at" in result.stdout


def test_command_writes_masks_overlay_and_manifest(case: Case, tmp_path: Path) -> None:
    result = command(case.clip, "--mask", case.mask, "--model", case.weights, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    out = tmp_path / "outputs" / "dogs"
    masks = out / "tiny" / "Annotations" / "dogs"
    assert names_in(masks) == [f"{n:05d}.png" for n in range(FRAMES)]
    for path in masks.iterdir():
        with Image.open(path) as picture:
            assert (picture.mode, picture.size) == ("P", (WIDTH, HEIGHT))
            assert picture.getpalette() == palette().ravel().tolist()
        assert set(np.unique(read_mask(path))) <= {0, 3}
    given = read_mask(case.mask)
    assert np.array_equal(read_mask(masks / "00000.png") == 3, given == 3)
    with av.open(str(out / "tiny" / "overlay.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (WIDTH, HEIGHT, FPS)
        assert stream.codec_context.name == "h264"
        assert sum(1 for _ in container.decode(stream)) == FRAMES
    assert not (out / "side_by_side.mp4").exists()

    manifest = manifest_in(out)
    assert (manifest["completed"], manifest["interrupted"], manifest["error"]) == (True, False, None)
    assert manifest["warnings"] == []
    assert manifest["command"].startswith("vos-kd-segment ")
    assert str(case.weights) in manifest["command"]
    assert manifest["environment"]["torch"] == torch.__version__.split("+")[0]
    assert manifest["inputs"]["clip"] == {
        "name": "dogs",
        "sha256": sha256(case.clip),
        "source": "video",
        "width": WIDTH,
        "height": HEIGHT,
        "fps": FPS,
        "frame_count": FRAMES,
    }
    assert manifest["inputs"]["masks"] == [
        {"frame": 0, "name": "first.png", "sha256": sha256(case.mask), "objects": [3]}
    ]
    model = manifest["models"]["tiny"]
    assert model["weights_sha256"] == sha256(case.weights)
    assert model["parameters"] == 306939
    assert model["annotations"] == "tiny/Annotations/dogs"
    assert model["timing"]["frames"] == manifest["timings"]["frames"] == FRAMES
    assert model["timing"]["fps"] == pytest.approx(FRAMES / model["timing"]["seconds"])
    assert model["timing"]["latency_median_ms"] <= model["timing"]["latency_p95_ms"]
    assert model["timing"]["seconds"] < manifest["timings"]["total_seconds"]

    for path in ("outputs/dogs/tiny/Annotations/dogs", "outputs/dogs/tiny/overlay.mp4", "outputs/dogs/manifest.json"):
        assert path in result.stdout
    assert f"tiny: {FRAMES} frames, {model['timing']['fps']:.1f} frames/s" in result.stdout
    assert f"{FRAMES}/{FRAMES}" in result.stderr  # the progress bar
    assert "frame/s" in result.stderr


def test_bad_input_of_the_command_is_one_line(case: Case, tmp_path: Path) -> None:
    write_mask(tmp_path / "small.png", box_mask(height=20, width=30))
    result = command(case.clip, "--mask", "small.png", "--model", case.weights, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("vos-kd-segment: error: ")
    assert result.stderr.count("\n") == 1
    for part in ("small.png", "30x20", f"{WIDTH}x{HEIGHT}", "nearest-neighbour"):
        assert part in result.stderr
    assert names_in(tmp_path) == ["small.png"]


def test_ctrl_c_keeps_what_is_done(case: Case, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "long.mp4", frame_images(count=2000))
    argv = [sys.executable, "-m", "vos_kd.segment", clip, "--mask", case.mask, "--model", case.weights, "--out", "o"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(argv, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    masks = tmp_path / "o" / "tiny" / "Annotations" / "long"
    deadline = time.monotonic() + 60
    while not (masks / "00002.png").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 130
    manifest = manifest_in(tmp_path / "o")
    count = manifest["timings"]["frames"]
    assert (manifest["completed"], manifest["interrupted"]) == (False, True)
    assert 3 <= count < 2000
    assert names_in(masks) == [f"{n:05d}.png" for n in range(count)]
    assert frame_count(tmp_path / "o" / "tiny" / "overlay.mp4") == count
    assert f"interrupted; {count} finished frames are kept in o" in messages
    assert "Traceback" not in messages


def test_second_ctrl_c_interrupts_at_once() -> None:
    usual = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), _stop_on_interrupt() as stop:  # noqa: PT012 - the first must not raise
        assert not stop.is_set()
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is usual


def test_ctrl_c_before_the_first_frame(
    segment: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vos_kd.segment_run.load_model", interrupt)
    assert segment() == 130
    assert "interrupted" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_two_models_side_by_side(segment: Callable[..., int], case: Case, tmp_path: Path) -> None:
    torch.manual_seed(1)
    other = tmp_path / "other.safetensors"
    save_weights(other, build_model("student_small").state_dict(), get_config("student_small"))
    assert segment(model=f"{case.weights},{other}") == 0
    assert segment(out=tmp_path / "alone") == 0
    out = tmp_path / "out"
    assert names_in(out) == ["manifest.json", "other", "side_by_side.mp4", "tiny"]
    for path in (tmp_path / "alone" / "tiny" / "Annotations" / "dogs").iterdir():
        assert path.read_bytes() == (out / "tiny" / "Annotations" / "dogs" / path.name).read_bytes()
    masks = [[read_mask(p) for p in sorted((out / m / "Annotations" / "dogs").iterdir())] for m in ("tiny", "other")]
    assert not np.array_equal(*masks)
    with av.open(str(out / "side_by_side.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == FRAMES
    assert frames[0].shape[0] > HEIGHT
    assert frames[0].shape[1] >= 2 * WIDTH
    manifest = manifest_in(out)
    assert list(manifest["models"]) == ["tiny", "other"]
    assert manifest["side_by_side"] == "side_by_side.mp4"


def test_frames_of_folders_and_zips_keep_their_names(segment: Callable[..., int], tmp_path: Path) -> None:
    names = ["a2.png", "a10.png", "a11.png"]
    folder = tmp_path / "walk"
    folder.mkdir()
    for name, image in zip(names, frame_images(), strict=False):
        Image.fromarray(image).save(folder / name)
    with zipfile.ZipFile(tmp_path / "run.zip", "w") as archive:
        for name in names:
            archive.write(folder / name, f"frames/{name}")
    for clip, stem in ((folder, "walk"), (tmp_path / "run.zip", "run")):
        assert segment(clip=clip, out=tmp_path / stem / "results") == 0
        assert names_in(tmp_path / stem / "results" / "tiny" / "Annotations" / stem) == sorted(names)
        assert frame_count(tmp_path / stem / "results" / "tiny" / "overlay.mp4") == 3


def test_part_of_a_clip(segment: Callable[..., int], case: Case, tmp_path: Path) -> None:
    assert segment("--start", 2, "--end", 9, "--every", 3) == 0
    masks = tmp_path / "out" / "tiny" / "Annotations" / "dogs"
    assert names_in(masks) == ["00002.png", "00005.png", "00008.png"]
    assert np.array_equal(read_mask(masks / "00002.png") == 3, read_mask(case.mask) == 3)
    with av.open(str(tmp_path / "out" / "tiny" / "overlay.mp4")) as container:
        assert container.streams.video[0].average_rate == FPS / 3
    assert manifest_in(tmp_path / "out")["inputs"]["options"]["every"] == 3


def test_masks_at_later_frames(segment: Callable[..., int], tmp_path: Path) -> None:
    late = np.zeros((HEIGHT, WIDTH), np.uint8)
    late[-10:, -10:] = 7
    write_mask(tmp_path / "late.png", late)
    assert segment("--start", 1, "--masks-at", f"4={tmp_path / 'late.png'}") == 0
    masks = tmp_path / "out" / "tiny" / "Annotations" / "dogs"
    assert not any(7 in read_mask(masks / f"{n:05d}.png") for n in (1, 2, 3))
    joined = read_mask(masks / "00004.png")
    assert np.all(joined[late == 7] == 7)
    given = manifest_in(tmp_path / "out")["inputs"]["masks"]
    assert [(mask["frame"], mask["objects"]) for mask in given] == [(1, [3]), (4, [7])]


@pytest.mark.parametrize(
    ("frame", "parts"),
    [
        ("0", ("frame 0 has a mask already",)),
        ("3", ("frame 3", "in steps of 2")),
        ("8", ("frame 8", "the frames are 0 to 7")),
        ("999", ("frame 999",)),
    ],
)
def test_masks_at_frames_that_are_not_segmented(
    segment: Callable[..., int],
    case: Case,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    frame: str,
    parts: tuple[str, ...],
) -> None:
    assert_refused(segment("--end", 8, "--every", 2, "--masks-at", f"{frame}={case.mask}"), capsys, *parts)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--every", "0"], "--every"),
        (["--start", "-1"], "--start"),
        (["--start", "5", "--end", "5"], "--end 5 is not behind --start 5"),
        (["--start", "40"], "no frame 40"),
        (["--short-side", "8"], "--short-side"),
        (["--masks-at", "fix.png"], "FRAME=PNG"),
        (["--model", "a,,b"], "names no model"),
        (["--dtype", "int8"], "--dtype"),
        (["--device", "abacus"], "abacus"),
        (["--fps", "0"], "fps"),
        (["--fps", "nan"], "fps"),
        (["--nonsense"], "--nonsense"),
        (["--masks-at", "4=missing.png"], "missing.png"),
    ],
)
def test_bad_arguments(
    segment: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], part: str
) -> None:
    assert_refused(segment(*options), capsys, part)
    assert not (tmp_path / "out").exists()


def rgb_mask(path: Path) -> None:
    Image.fromarray(frame_images(1)[0]).save(path)


def rgba_mask(path: Path) -> None:
    pixels = np.dstack([frame_images(1)[0], np.full((HEIGHT, WIDTH), 120, np.uint8)])
    Image.fromarray(pixels).save(path)


def deep_mask(path: Path) -> None:
    Image.fromarray(box_mask().astype(np.uint16) * 300).save(path)


def smoothed_mask(path: Path) -> None:
    large = Image.fromarray(np.kron(box_mask(200), np.ones((4, 4), np.uint8)))
    soft = np.asarray(large.rotate(20).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
    write_mask(path, soft)


def empty_mask(path: Path) -> None:
    write_mask(path, np.zeros((HEIGHT, WIDTH), np.uint8))


def photo(path: Path) -> None:
    Image.fromarray(frame_images(1)[0]).save(path, "JPEG")


def nothing(path: Path) -> None:
    del path


@pytest.mark.parametrize(
    ("write", "part"),
    [
        (rgb_mask, "names no object"),
        (rgba_mask, "half-transparent"),
        (deep_mask, "id 300"),
        (smoothed_mask, "smoothed"),
        (empty_mask, "no object"),
        (photo, "JPEG"),
        (nothing, "No such file"),
    ],
)
def test_unusable_masks(
    segment: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    write: Callable[[Path], None],
    part: str,
) -> None:
    write(tmp_path / "odd.png")
    assert_refused(segment(mask=tmp_path / "odd.png"), capsys, "odd.png", part)
    assert not (tmp_path / "out").exists()


def text_clip(path: Path) -> None:
    path.write_text("no video at all")


def beheaded_clip(path: Path) -> None:
    write_clip(path, frame_images())
    path.write_bytes(path.read_bytes()[:200])


def empty_folder(path: Path) -> None:
    path.mkdir()


def traversing_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../evil.png", b"")


@pytest.mark.parametrize("write", [text_clip, beheaded_clip, empty_folder, traversing_zip, nothing])
def test_unusable_clips(
    segment: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path, write: Callable[[Path], None]
) -> None:
    write(tmp_path / "odd.mp4")
    before = names_in(tmp_path)
    assert_refused(segment(clip=tmp_path / "odd.mp4"), capsys, "odd.mp4")
    assert names_in(tmp_path) == before
    assert not (tmp_path.parent / "evil.png").exists()


def test_cut_off_clip_gives_what_decodes(segment: Callable[..., int], case: Case, tmp_path: Path) -> None:
    content = case.clip.read_bytes()
    clip = tmp_path / "cut.mp4"
    clip.write_bytes(content[: len(content) * 95 // 100])
    assert segment("--masks-at", f"9={case.mask}", clip=clip) == 0
    manifest = manifest_in(tmp_path / "out")
    count = manifest["timings"]["frames"]
    assert 0 < count < FRAMES
    assert manifest["completed"]
    assert f"{count} of {FRAMES} frames" in manifest["warnings"][0]
    assert manifest["warnings"][1:] == ["the mask of frame 9 was not used: the clip ended before it."]
    assert len(names_in(tmp_path / "out" / "tiny" / "Annotations" / "cut")) == count
    assert frame_count(tmp_path / "out" / "tiny" / "overlay.mp4") == count


@pytest.mark.parametrize(("height", "width"), [(1, 1), (17, 33), (2, 50)])
def test_tiny_and_odd_sizes(segment: Callable[..., int], tmp_path: Path, height: int, width: int) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    for index, image in enumerate(frame_images(2, height, width)):
        Image.fromarray(image).save(folder / f"{index}.png")
    mask = box_mask(1, height, width)
    write_mask(tmp_path / "mask.png", mask)
    assert segment(clip=folder, mask=tmp_path / "mask.png") == 0
    results = [read_mask(path) for path in sorted((tmp_path / "out" / "tiny" / "Annotations" / "odd").iterdir())]
    assert np.array_equal(results[0], mask)
    assert results[1].shape == (height, width)
    assert frame_count(tmp_path / "out" / "tiny" / "overlay.mp4") == 2


def damaged(path: Path, case: Case) -> None:
    path.write_bytes(case.weights.read_bytes()[:-1000])


def of_another_network(path: Path, case: Case) -> None:
    save_weights(path, read_weights(case.weights)[1], get_config("student"))


def of_another_program(path: Path, case: Case) -> None:
    save_file({"weight": torch.zeros(3)}, path)


@pytest.mark.parametrize("write", [damaged, of_another_network, of_another_program, lambda path, case: None])
def test_unusable_weights(
    segment: Callable[..., int],
    case: Case,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    write: Callable[[Path, Case], None],
) -> None:
    write(tmp_path / "odd.safetensors", case)
    assert_refused(segment(model=tmp_path / "odd.safetensors"), capsys, "odd.safetensors")
    assert not (tmp_path / "out").exists()


def test_unknown_model_lists_the_names(segment: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(segment(model="studnet"), capsys, "'studnet'", "Did you mean 'student'?", *PRESETS)


def test_hub_model_needs_a_revision(segment: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(segment(model="someone/model"), capsys, "someone/model", "revision")


@pytest.mark.parametrize("out", ["file", "file/deeper/out"])
def test_no_place_to_write(
    segment: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    out: str,
) -> None:
    monkeypatch.setattr("vos_kd.segment_run.open_clip", lambda *_, **__: pytest.fail("checked too late"))
    (tmp_path / "file").write_text("precious")
    assert_refused(segment(out=tmp_path / out), capsys, str(tmp_path / "file"), "--out")
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize("is_full_for_good", [False, True])
def test_full_disk_keeps_finished_masks(
    segment: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    is_full_for_good: bool,
) -> None:
    real, left = Path.write_bytes, [5]  # the manifest, and four masks

    def write_bytes(path: Path, data: bytes) -> int:
        left[0] -= 1
        if left[0] == -1 or (left[0] < 0 and is_full_for_good):
            real(path, data[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    assert_refused(segment(), capsys, "00004.png", "No space left on device", "free space")
    out = tmp_path / "out"
    masks = out / "tiny" / "Annotations" / "dogs"
    assert names_in(masks) == [f"{n:05d}.png" for n in range(4)]
    for path in masks.iterdir():
        assert read_mask(path).shape == (HEIGHT, WIDTH)
    assert names_in(out / "tiny") == ["Annotations"]
    manifest = manifest_in(out)
    assert (manifest["completed"], manifest["interrupted"]) == (False, False)
    assert (manifest["error"] is None) == is_full_for_good


def test_what_a_folder_holds_tells_it_from_others(tmp_path: Path) -> None:
    found = set()
    for name, frames in {"a": (1, 2), "again": (1, 2), "shorter": (1,), "other": (3, 2), "longer": (1, 400)}.items():
        (tmp_path / name).mkdir()
        for number, value in enumerate(frames):
            (tmp_path / name / f"{number}.png").write_bytes(bytes([value % 256]) * (1 + value // 100))
        found.add((name, _clip_sha256(tmp_path / name)))
    hashes = dict(found)
    assert hashes["a"] == hashes["again"]
    assert len(set(hashes.values())) == 4


def test_another_run_is_replaced_only_on_request(
    segment: Callable[..., int], case: Case, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert segment() == 0
    masks = tmp_path / "out" / "tiny" / "Annotations" / "dogs"
    before = {path.name: path.read_bytes() for path in masks.iterdir()}
    assert segment() == 0  # the same again
    assert {path.name: path.read_bytes() for path in masks.iterdir()} == before

    capsys.readouterr()
    assert_refused(segment("--end", 3), capsys, "other options", "--overwrite")
    assert_refused(segment("--start", 40, "--overwrite"), capsys, "no frame 40")
    assert {path.name: path.read_bytes() for path in masks.iterdir()} == before
    assert manifest_in(tmp_path / "out")["completed"]

    # Nor is another clip of the same name, size and length the same run.
    (tmp_path / "other").mkdir()
    other = write_clip(tmp_path / "other" / case.clip.name, [image[::-1] for image in frame_images()])
    assert_refused(segment(clip=other), capsys, "other clip", "--overwrite")
    assert {path.name: path.read_bytes() for path in masks.iterdir()} == before

    assert segment("--end", 3, "--no-overlay", "--overwrite") == 0
    assert names_in(masks) == ["00000.png", "00001.png", "00002.png"]
    assert names_in(tmp_path / "out" / "tiny") == ["Annotations"]
    assert manifest_in(tmp_path / "out")["models"]["tiny"]["overlay"] is None


def test_folder_of_something_else_is_left_alone(
    segment: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("precious")
    assert_refused(segment("--overwrite"), capsys, "not empty", "--out")
    assert names_in(tmp_path / "out") == ["thesis.tex"]


def test_json_is_the_manifest(segment: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert segment("--json", "--end", 2) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == manifest_in(tmp_path / "out")
    assert printed.err == ""  # --quiet
