"""Data set trees in their exact layouts, and what is said of trees that are not whole."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evaluation.datasets import Dataset, conventions, load_dataset, seen_categories
from evaluation.errors import ProtocolError

SIZE = (24, 32)


def mask_of(*ids: int) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    for n, object_id in enumerate(ids):
        mask[4:20, 8 * n : 8 * n + 6] = object_id
    return mask


def write(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)


def davis(
    root: Path, names: tuple[str, ...] = ("bear", "cat"), *, folder: str = "480p", ids: tuple[int, ...] = (1, 2)
) -> Path:
    for name in names:
        for n in range(4):
            write(root / "JPEGImages" / folder / name / f"{n:05}.jpg", mask_of())
            write(root / "Annotations" / folder / name / f"{n:05}.png", mask_of(*ids))
    return root


def sets(root: Path, place: str, lines: str) -> None:
    path = root / "ImageSets" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines)


def youtube(root: Path, split: str = "valid") -> Path:
    """`one` has object 2 from the start and object 5 from the third of five frames; `two` has object 1."""
    base = root / split
    for name, frames in (("one", range(0, 25, 5)), ("two", range(5, 20, 5))):
        for n in frames:
            write(base / "JPEGImages" / name / f"{n:05}.jpg", mask_of())
        for n in range(frames.start, frames.stop - 4):
            write(root / f"{split}_all_frames" / "JPEGImages" / name / f"{n:05}.jpg", mask_of())
    masks: Mapping[str, tuple[int, ...]] = {"one/00000": (2,), "one/00010": (2, 5), "two/00005": (1,)}
    if split == "train":
        masks = {
            **masks,
            "one/00005": (2,),
            "one/00015": (5,),
            "one/00020": (2, 5),
            "two/00010": (1,),
            "two/00015": (1,),
        }
    for frame, ids in masks.items():
        write(base / "Annotations" / f"{frame}.png", mask_of(*ids))
    objects = {"one": {"2": {"category": "cat"}, "5": {"category": "zebra"}}, "two": {"1": {"category": "dog"}}}
    (base / "meta.json").write_text(json.dumps({"videos": {name: {"objects": o} for name, o in objects.items()}}))
    return root


def names(dataset: Dataset) -> list[str]:
    return [sequence.name for sequence in dataset.sequences]


def test_davis_2017(tmp_path: Path) -> None:
    davis(tmp_path, ("bear", "cat", "unlisted"))
    sets(tmp_path, "2017/mine.txt", "cat\nbear\n")
    dataset = load_dataset("davis2017", tmp_path, split="mine")
    assert (names(dataset), dataset.is_partial) == (["bear", "cat"], False)
    bear = dataset.sequences[0]
    assert bear.frames == bear.submitted == ("00000", "00001", "00002", "00003")
    assert [path.name for path in bear.frame_paths] == [f"{n:05}.jpg" for n in range(4)]
    assert [path.relative_to(tmp_path).as_posix() for path in bear.annotation_paths.values()] == [
        f"Annotations/480p/bear/{n:05}.png" for n in range(4)
    ]
    assert bear.first_frames == {1: "00000", 2: "00000"}
    assert (bear.size, bear.lacks_truth) == (SIZE, None)
    assert pickle.loads(pickle.dumps(bear)) == bear  # noqa: S301  # for worker processes


def test_ids_with_gaps_count_up_to_the_largest(tmp_path: Path) -> None:
    davis(tmp_path, ("bear",), ids=(1, 4, 255))
    [bear] = load_dataset("davis2017", tmp_path, split="all").sequences
    assert list(bear.first_frames) == [1, 2, 3, 4]


@pytest.mark.parametrize("folder", ["Full-Resolution", "1080p"])
def test_full_resolution(tmp_path: Path, folder: str) -> None:
    davis(tmp_path, ("bear",), folder=folder)
    dataset = load_dataset("davis2017", tmp_path, split="all", resolution="full")
    assert (names(dataset), dataset.resolution) == (["bear"], "full")
    with pytest.raises(ProtocolError, match=r"no folder .*480p: expected the masks of DAVIS"):
        load_dataset("davis2017", tmp_path, split="all")


@pytest.mark.parametrize(
    ("place", "lines"),
    [
        ("2016/val.txt", "cat\n"),
        ("480p/val.txt", "/JPEGImages/480p/cat/00000.jpg /Annotations/480p/cat/00000.png\n" * 2),
    ],
)
def test_lists_of_davis_2016(tmp_path: Path, place: str, lines: str) -> None:
    davis(tmp_path, ids=(255,))
    sets(tmp_path, place, lines)
    dataset = load_dataset("davis2016", tmp_path)
    assert names(dataset) == ["cat"]
    assert dataset.sequences[0].first_frames == {1: "00000"}
    assert dataset.is_partial  # a list of its own is not the published split


def test_val_without_lists_is_the_published_one(tmp_path: Path) -> None:
    davis(tmp_path, ("blackswan", "dog", "bear"), ids=(255,))
    with pytest.raises(ProtocolError, match=r"18 of 20 sequences of davis2016 val have no folder .*: bmx-trees, break"):
        load_dataset("davis2016", tmp_path)
    some = load_dataset("davis2016", tmp_path, sequences=["dog", "blackswan"])
    assert (names(some), some.is_partial) == (["blackswan", "dog"], True)
    assert names(load_dataset("davis2016", tmp_path, sequences=["dog", "blackswan"], limit=1)) == ["blackswan"]


@pytest.mark.shared_data
def test_a_val_cut_short_is_noticed(shared_data: Path, tmp_path: Path) -> None:
    whole = load_dataset("davis2016", shared_data / "data" / "davis16val")
    assert (len(whole.sequences), whole.is_partial) == (20, False)
    source = shared_data / "data" / "davis16val" / "Annotations" / "480p"
    target = tmp_path / "Annotations" / "480p"
    for folder in source.iterdir():
        (target / folder.name).mkdir(parents=True)
        for path in sorted(folder.iterdir())[: -1 if folder.name == "dog" else None]:
            (target / folder.name / path.name).symlink_to(path)
    with pytest.raises(ProtocolError, match=r"have 1375 frames in all; expected 1376\. Some were cut short\. Download"):
        load_dataset("davis2016", tmp_path, needs_images=False)


def test_test_dev_has_no_truth(tmp_path: Path) -> None:
    davis(tmp_path, ("bear",))
    for n in (1, 2, 3):
        (tmp_path / f"Annotations/480p/bear/{n:05}.png").unlink()
    [bear] = load_dataset("davis2017", tmp_path, split="all").sequences
    assert bear.lacks_truth is not None
    assert bear.lacks_truth.startswith("sequence 'bear' has no truth for 3 frames (00001, 00002, 00003)")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("rm -r .", r"no folder .*: expected a DAVIS tree there. Download DAVIS from https://"),
        ("rm -r JPEGImages", r"no folder .*JPEGImages/480p: expected the frames of DAVIS"),
        ("rm -r JPEGImages/480p/cat", r"no folder .*cat: expected the frames of sequence 'cat'"),
        (
            "rm -r Annotations/480p/cat",
            r"1 of 2 sequences of davis2017 val have no folder .*: cat. Download .*--sequences",
        ),
        ("rm Annotations/480p/cat/*", r"no PNG in .*cat: expected a mask for each frame of 'cat'"),
        ("rm JPEGImages/480p/cat/*", r"no image in .*cat: expected the frames of 'cat'"),
        ("rm JPEGImages/480p/cat/00003.jpg", r"'cat' has masks but no images of frames 00003: expected .*00003\.jpg"),
        ("rm */480p/cat/00001.*", r"sequence 'cat' lacks frames 00001: expected 00000 to 00003"),
        ("rm Annotations/480p/cat/00000.png", r"no .*00000\.png: the first frame's mask says what to follow"),
        (
            "rm ImageSets/2017/val.txt",
            r"no split 'val' here: expected .*val.txt. Lists that are there: train. Take one",
        ),
        ("rm -r Annotations/480p/*", r"2 of 2 sequences of davis2017 val have no folder"),
    ],
)
def test_what_is_missing_from_davis_is_named(tmp_path: Path, damage: str, message: str) -> None:
    root = davis(tmp_path / "DAVIS")
    sets(root, "2017/val.txt", "bear\ncat\n")
    sets(root, "2017/train.txt", "bear\n")
    for path in list(root.glob(damage.split()[-1])) if damage.split()[-1] != "." else [root]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(ProtocolError, match=message):
        load_dataset("davis2017", root)


@pytest.mark.parametrize("given", [".", "DAVIS/Annotations", "DAVIS/Annotations/480p"])
def test_the_root_that_was_meant_is_named(tmp_path: Path, given: str) -> None:
    davis(tmp_path / "DAVIS")
    with pytest.raises(
        ProtocolError, match=r"is no DAVIS tree: expected a folder Annotations in it. Did you mean"
    ) as error:
        load_dataset("davis2017", tmp_path / given)
    assert f"--root {tmp_path / 'DAVIS'}?" in str(error.value)


def test_wrong_names_and_splits(tmp_path: Path) -> None:
    davis(tmp_path)
    with pytest.raises(ProtocolError, match=r"has no sequence 'beer'; expected names such as bear\."):
        load_dataset("davis2017", tmp_path, split="all", sequences=["beer"])
    with pytest.raises(ProtocolError, match=r"no split 'train' here: .*There is no list in .*--split all"):
        load_dataset("davis2017", tmp_path, split="train")
    sets(tmp_path, "2017/empty.txt", "\n")
    with pytest.raises(ProtocolError, match=r"empty.txt is empty; expected a sequence name on each line"):
        load_dataset("davis2017", tmp_path, split="empty")
    sets(tmp_path, "2017/evil.txt", "..\n")
    with pytest.raises(ProtocolError, match=r"lists '\.\.'; expected the name of a folder"):
        load_dataset("davis2017", tmp_path, split="evil")


def test_masks_of_davis_2016_are_no_davis_2017(tmp_path: Path) -> None:
    davis(tmp_path, ids=(255,))
    with pytest.raises(
        ProtocolError, match=r"first mask of sequence 'bear', shows no object\..*use --dataset davis2016"
    ):
        load_dataset("davis2017", tmp_path, split="all")


def test_youtube_valid(tmp_path: Path) -> None:
    youtube(tmp_path)
    dataset = load_dataset("youtubevos2018", tmp_path)
    assert (dataset.split, dataset.resolution, dataset.is_partial) == ("valid", "original", False)
    one, two = dataset.sequences
    assert one.frames == one.submitted == ("00000", "00005", "00010", "00015", "00020")
    assert list(one.annotation_paths) == ["00000", "00010"]
    assert one.first_frames == {2: "00000", 5: "00010"}
    assert one.categories == {2: "cat", 5: "zebra"}
    assert (one.size, two.first_frames) == (SIZE, {1: "00005"})
    assert one.lacks_truth is not None
    assert "The truth of valid and test is on the server" in one.lacks_truth
    assert load_dataset("youtubevos2018", tmp_path / "valid").sequences == dataset.sequences


def test_a_given_frame_that_is_not_submitted_is_named(tmp_path: Path) -> None:
    youtube(tmp_path)
    (tmp_path / "valid" / "JPEGImages" / "one" / "00000.jpg").unlink()  # there among all frames
    with pytest.raises(ProtocolError, match=r"sequence 'one' has masks but no images of frames 00000"):
        load_dataset("youtubevos2019", tmp_path, all_frames=True)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("folder", {"split": "val"}, "--split val is for DAVIS and YouTube-VOS"),
        ("folder", {"resolution": "full"}, "--resolution full is for DAVIS"),
        ("youtubevos2019", {"resolution": "full"}, "--resolution full is for DAVIS"),
        ("davis2017", {"all_frames": True}, "--all-frames is for YouTube-VOS"),
    ],
)
def test_options_of_other_data_sets_are_refused(
    tmp_path: Path, name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ProtocolError, match=message):
        load_dataset(name, tmp_path, **options)


@pytest.mark.parametrize("nested", [False, True])
def test_youtube_on_all_frames(tmp_path: Path, nested: bool) -> None:
    youtube(tmp_path)
    if nested:
        (tmp_path / "all_frames").mkdir()
        (tmp_path / "valid_all_frames").rename(tmp_path / "all_frames" / "valid_all_frames")
    one, two = load_dataset("youtubevos2019", tmp_path, all_frames=True).sequences
    assert one.frames == tuple(f"{n:05}" for n in range(21))
    assert one.submitted == ("00000", "00005", "00010", "00015", "00020")
    assert two.frames[0] == "00005"
    shutil.rmtree(tmp_path / ("all_frames" if nested else "valid_all_frames"))
    with pytest.raises(
        ProtocolError, match=r"no folder .*valid_all_frames/JPEGImages, nor below .*: expected all frames"
    ):
        load_dataset("youtubevos2019", tmp_path, all_frames=True)


def test_a_hold_out_of_youtube_train_has_truth(tmp_path: Path) -> None:
    youtube(tmp_path, "train")
    dataset = load_dataset("youtubevos2019", tmp_path, split="train", sequences=["one"])
    assert dataset.is_partial
    assert dataset.sequences[0].lacks_truth is None
    assert list(dataset.sequences[0].annotation_paths) == ["00000", "00005", "00010", "00015", "00020"]
    (tmp_path / "train/Annotations/one/00015.png").unlink()
    [one] = load_dataset("youtubevos2019", tmp_path, split="train", sequences=["one"]).sequences
    assert one.lacks_truth is not None
    assert "no truth for 1 frames (00015)" in one.lacks_truth


def test_frames_of_meta_count_where_there_are_no_images(tmp_path: Path) -> None:
    # Else a mask that was lost would only make the sequence shorter.
    youtube(tmp_path, "train")
    meta = tmp_path / "train/meta.json"
    videos = json.loads(meta.read_text())
    for frame in ("00000", "00005", "00010", "00020"):
        videos["videos"]["one"]["objects"]["2"].setdefault("frames", []).append(frame)
    videos["videos"]["one"]["objects"]["5"]["frames"] = ["00015"]
    meta.write_text(json.dumps(videos))
    shutil.rmtree(tmp_path / "train/JPEGImages")
    options = {"split": "train", "sequences": ["one"], "needs_images": False}
    assert load_dataset("youtubevos2019", tmp_path, **options).sequences[0].lacks_truth is None
    (tmp_path / "train/Annotations/one/00015.png").unlink()
    assert "no truth for 1 frames (00015)" in str(
        load_dataset("youtubevos2019", tmp_path, **options).sequences[0].lacks_truth
    )


def test_categories_of_the_training_data(tmp_path: Path) -> None:
    youtube(tmp_path)
    assert seen_categories(tmp_path, "valid") is None
    youtube(tmp_path, "train")
    assert seen_categories(tmp_path, "valid") == seen_categories(tmp_path / "valid", "valid") == {"cat", "dog", "zebra"}
    with pytest.raises(ProtocolError, match=r"missing\.json cannot be used"):
        seen_categories(tmp_path, "valid", tmp_path / "missing.json")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"videos": {"a": 3}}', '{"videos": {"a": {"objects": {"x": {}}}}}', "[" * 10**5]
)
def test_a_meta_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    youtube(tmp_path)
    (tmp_path / "valid" / "meta.json").write_text(text)
    with pytest.raises(ProtocolError, match=r"meta\.json cannot be used \(.*expected \{\"videos\""):
        load_dataset("youtubevos2018", tmp_path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            "valid",
            r"no folder .*valid/Annotations: expected the masks of youtubevos2019 there. Download it from https://you",
        ),
        ("valid/meta.json", r"no .*meta\.json: expected the videos and objects"),
        ("valid/JPEGImages", r"no folder .*JPEGImages: expected the frames of youtubevos2019"),
        ("valid/Annotations/two", r"1 of 2 sequences of youtubevos2019 valid have no folder .*: two"),
        ("valid/Annotations/two/00005.png", r"no PNG in .*two: expected masks of 'two'"),
        ("valid/JPEGImages/one/00010.jpg", r"'one' has masks but no images of frames 00010"),
    ],
)
def test_what_is_missing_from_youtube_is_named(tmp_path: Path, damage: str, message: str) -> None:
    path = youtube(tmp_path) / damage
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(ProtocolError, match=message):
        load_dataset("youtubevos2019", tmp_path)


def test_a_folder_of_the_same_shape(tmp_path: Path) -> None:
    for n, ids in (("9", (3,)), ("10", (3, 7)), ("100", (7,))):
        write(tmp_path / "Annotations/clip" / f"{n}.png", mask_of(*ids))
        write(tmp_path / "JPEGImages/clip" / f"{n}.jpg", mask_of())
    dataset = load_dataset("folder", tmp_path)
    [clip] = dataset.sequences
    assert clip.frames == ("9", "10", "100")  # by their numbers
    assert clip.first_frames == {3: "9", 7: "10"}
    assert (clip.lacks_truth, dataset.split, dataset.is_partial) == (None, "all", False)
    shutil.rmtree(tmp_path / "JPEGImages")
    assert load_dataset("folder", tmp_path, needs_images=False).sequences[0].frames == clip.frames
    (tmp_path / "Annotations/clip/100.png").unlink()
    (tmp_path / "Annotations/clip/10.png").unlink()
    assert "a single mask" in str(load_dataset("folder", tmp_path, needs_images=False).sequences[0].lacks_truth)


def test_a_folder_of_binary_masks_is_explained(tmp_path: Path) -> None:
    for n in range(2):
        write(tmp_path / "Annotations/clip" / f"{n}.png", mask_of(255))
    with pytest.raises(ProtocolError, match=r"no mask of sequence 'clip' shows an object.*0 and 255 alone"):
        load_dataset("folder", tmp_path, needs_images=False)
    shutil.rmtree(tmp_path / "Annotations/clip")
    with pytest.raises(ProtocolError, match=r"no sequence in .*Annotations: expected a folder of masks for each"):
        load_dataset("folder", tmp_path, needs_images=False)


def test_conventions_of_each_data_set() -> None:
    assert conventions("davis2016") == conventions("davis2017") == ("davis", "vos-benchmark")
    assert conventions("youtubevos2018") == ("youtubevos",)
    assert conventions("folder")[0] == "davis"
