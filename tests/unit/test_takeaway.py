"""What a user takes away: zips, cut-outs and run lengths that others' tools can read."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from vos_kd.data.masks import palette, read_mask, write_mask
from vos_kd.data.synthetic import SyntheticClip
from vos_kd.errors import InputError
from vos_kd.prompts import Box, PromptHistory, from_json
from vos_kd.takeaway import (
    Results,
    build_manifest,
    encode_rle,
    prompt_file,
    read_results,
    safe_name,
    write_cutout_images,
    write_cutout_video,
    write_masks,
)
from vos_kd.video_io import Clip, open_clip

# pycocotools 2.0.11 was made for an older numpy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def run(small_clip: SyntheticClip, tmp_path: Path) -> tuple[Results, Clip]:
    """Results that are the truth itself, and the clip as a folder of PNGs."""
    folder = tmp_path / "run" / "student" / "Annotations" / "fish"
    (tmp_path / "fish").mkdir()
    for number, (image, mask) in enumerate(zip(small_clip.images, small_clip.masks, strict=True)):
        write_mask(folder / f"{number:05}.png", mask)
        Image.fromarray(image).save(tmp_path / "fish" / f"{number:05}.png")
    return Results("student", folder), open_clip(tmp_path / "fish")


def masks_zip(run: tuple[Results, Clip], target: Path) -> zipfile.ZipFile:
    history = PromptHistory().add(Box(1, 0, 3, 4, 50, 40)).rename(1, "blue tang")
    manifest = build_manifest([run[0]], {"student": "ab" * 32}, "python -m vos_kd.segment fish.mp4", history)
    write_masks(target, [run[0]], {0: run[0].mask("00000")}, manifest)
    return zipfile.ZipFile(target)


def test_masks_zip_holds_davis_masks_as_they_were(run: tuple[Results, Clip], tmp_path: Path) -> None:
    with masks_zip(run, tmp_path / "masks.zip") as file:
        assert file.testzip() is None
        file.extractall(tmp_path / "unpacked")
    folder = tmp_path / "unpacked" / "student" / "Annotations" / "fish"
    assert [path.name for path in sorted(folder.iterdir())] == [f"{n:05}.png" for n in range(4)]
    for path in folder.iterdir():
        assert np.array_equal(read_mask(path), run[0].mask(path.stem))
        with Image.open(path) as picture:
            assert picture.mode == "P"
            assert bytes(picture.getpalette() or [])[: 3 * 10] == palette()[:10].tobytes()
    assert np.array_equal(read_mask(tmp_path / "unpacked" / prompt_file(0)), run[0].mask("00000"))
    assert [found.annotations for found in read_results(tmp_path / "unpacked")] == [folder]


def test_manifest_says_how_the_masks_came_about(run: tuple[Results, Clip], tmp_path: Path) -> None:
    with masks_zip(run, tmp_path / "masks.zip") as file:
        manifest = json.loads(file.read("manifest.json"))
    assert manifest["models"]["student"]["weights_sha256"] == "ab" * 32
    assert manifest["models"]["student"]["frames"] == 4
    assert manifest["command"] == "python -m vos_kd.segment fish.mp4"
    assert manifest["objects"] == {"1": "blue tang"}
    history = from_json(json.dumps(manifest["prompts"]))
    assert history.prompts == (Box(1, 0, 3, 4, 50, 40),)


def test_coco_file_gives_the_masks_back_through_pycocotools(run: tuple[Results, Clip], tmp_path: Path) -> None:
    with masks_zip(run, tmp_path / "masks.zip") as file:
        document = json.loads(file.read("student/coco.json"))
    [video] = document["videos"]
    assert (video["height"], video["width"], video["length"]) == (64, 96, 4)
    assert [entry["id"] for entry in document["annotations"]] == [1, 2, 3]
    assert document["annotations"][0]["name"] == "blue tang"
    for entry in document["annotations"]:
        for number, name in enumerate(video["file_names"]):
            expected = run[0].mask(Path(name).stem) == entry["id"]
            rle = entry["segmentations"][number]
            if rle is None:
                assert not expected.any()
                assert entry["areas"][number] is entry["bboxes"][number] is None
                continue
            assert np.array_equal(coco_mask.decode(rle), expected)
            assert coco_mask.area(rle) == entry["areas"][number] == expected.sum()
            assert coco_mask.toBbox(rle).tolist() == entry["bboxes"][number]


def test_object_that_is_out_of_sight_is_null(run: tuple[Results, Clip], tmp_path: Path) -> None:
    write_mask(run[0].annotations / "00002.png", np.zeros((64, 96), np.uint8))
    with masks_zip(run, tmp_path / "masks.zip") as file:
        document = json.loads(file.read("student/coco.json"))
    for entry in document["annotations"]:
        assert [value is None for value in entry["areas"]][2:3] == [True]
        assert len(entry["segmentations"]) == 4


def test_equal_results_make_equal_zips(run: tuple[Results, Clip], tmp_path: Path) -> None:
    masks_zip(run, tmp_path / "a.zip").close()
    masks_zip(run, tmp_path / "b.zip").close()
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_damaged_mask_leaves_no_zip(run: tuple[Results, Clip], tmp_path: Path) -> None:
    (run[0].annotations / "00003.png").write_bytes(b"no png")
    with pytest.raises(InputError, match="00003"):
        masks_zip(run, tmp_path / "out" / "masks.zip")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("mask", "counts"),
    [
        # Made with pycocotools 2.0.11.
        (np.zeros((3, 4), bool), "<"),
        (np.ones((3, 4), bool), "0<"),
        (np.eye(5, dtype=bool), "0150000000"),
        (np.arange(2000).reshape(40, 50) % 7 < 3, None),
    ],
)
def test_run_lengths_are_those_of_pycocotools(mask: np.ndarray, counts: str | None) -> None:
    expected = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert encode_rle(mask) == {"size": list(mask.shape), "counts": expected["counts"].decode()}
    if counts is not None:
        assert encode_rle(mask)["counts"] == counts


def test_cutout_images_show_the_object_and_nothing_else(run: tuple[Results, Clip], tmp_path: Path) -> None:
    results, clip = run
    write_cutout_images(tmp_path / "cut.zip", results, clip, [2])
    with zipfile.ZipFile(tmp_path / "cut.zip") as file:
        assert file.namelist() == [f"fish/{n:05}.png" for n in range(4)]
        for number, (_, image) in enumerate(clip.frames()):
            pixels = np.array(Image.open(io.BytesIO(file.read(f"fish/{number:05}.png"))))
            shown = results.mask(f"{number:05}") == 2
            assert np.array_equal(pixels[..., 3], np.where(shown, 255, 0))
            assert np.array_equal(pixels[shown][:, :3], image[shown])
            assert not pixels[~shown].any()


def test_cutout_video_is_transparent_where_no_object_is(run: tuple[Results, Clip], tmp_path: Path) -> None:
    results, clip = run
    write_cutout_video(tmp_path / "cut.webm", results, clip, 24)
    with av.open(str(tmp_path / "cut.webm")) as container:
        decoder = av.CodecContext.create("libvpx-vp9", "r")
        frames = [f for packet in container.demux(video=0) for f in decoder.decode(packet)]
    assert len(frames) == 4
    for number, frame in enumerate(frames):
        alpha = frame.to_ndarray(format="rgba")[..., 3]
        shown = results.mask(f"{number:05}") > 0
        assert alpha.shape == (64, 96)
        assert alpha[shown].mean() > 240
        assert alpha[~shown].mean() < 6


@pytest.mark.parametrize("write", [write_cutout_images, lambda t, r, c, o: write_cutout_video(t, r, c, 24, o)])
def test_object_that_is_nowhere_is_refused_and_leaves_nothing(
    write: object, run: tuple[Results, Clip], tmp_path: Path
) -> None:
    assert callable(write)
    with pytest.raises(InputError, match=r"none of the objects \[9\] is seen"):
        write(tmp_path / "out" / "cut.webm", run[0], run[1], [9])
    assert list((tmp_path / "out").iterdir()) == []


def test_frames_of_a_run_in_steps_meet_their_images(small_clip: SyntheticClip, tmp_path: Path) -> None:
    for number in (1, 3):
        write_mask(tmp_path / "m" / "Annotations" / "c" / f"{number:05}.png", small_clip.masks[number])
    (tmp_path / "c").mkdir()
    for number, image in enumerate(small_clip.images):
        Image.fromarray(image).save(tmp_path / "c" / f"f{number}.png")
    results = Results("m", tmp_path / "m" / "Annotations" / "c")
    # The clip's frames are named f0 to f3, the results' 00001 and 00003.
    with pytest.raises(InputError, match="no frame 00001"):
        list(results.frames(open_clip(tmp_path / "c")))
    for number in (1, 3):
        (results.annotations / f"{number:05}.png").rename(results.annotations / f"f{number}.png")
    found = list(Results("m", results.annotations).frames(open_clip(tmp_path / "c")))
    assert [name for name, _, _ in found] == ["f1", "f3"]
    for (_, image, mask), number in zip(found, (1, 3), strict=True):
        assert np.array_equal(image, small_clip.images[number])
        assert np.array_equal(mask, small_clip.masks[number])


def test_results_of_another_size_are_refused(run: tuple[Results, Clip]) -> None:
    write_mask(run[0].annotations / "00001.png", np.ones((10, 10), np.uint8))
    with pytest.raises(InputError, match="10x10 pixels but its image is 96x64"):
        list(run[0].frames(run[1]))


def test_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no results"):
        read_results(tmp_path)
    with pytest.raises(InputError, match="holds no masks"):
        _ = Results("m", tmp_path).names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "etc-passwd"),
        ("C:\\clip", "C-clip"),
        ("<script>alert(1)</script>", "script-alert-1-script"),
        ("été 2026", "été-2026"),
        ("", "clip"),
        ("..", "clip"),
        ("x" * 300, "x" * 80),
        ("a\0b\nc", "a-b-c"),
    ],
)
def test_names_become_safe(name: str, expected: str) -> None:
    assert safe_name(name) == expected
