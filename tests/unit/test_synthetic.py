"""Synthetic clips: the same pixels again, and masks that tell the truth about them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vos_kd.data.masks import read_mask
from vos_kd.data.synthetic import SCENES, SyntheticClip, render_clip, render_frames, training_clip
from vos_kd.data.synthetic.__main__ import main
from vos_kd.data.synthetic.outlines import ellipse, regular, star
from vos_kd.data.synthetic.rendering import Actor, Part, Pose, Scene, Shadow, render_scene
from vos_kd.errors import InputError

OBJECTS = {"kites": (1, 2, 3), "fish": (1, 2, 3), "twins": (1, 2), "passing": (1, 2), "zoom": (1, 2, 3)}


def plain(colour: int) -> np.ndarray:
    return np.full((4, 4, 3), colour, np.uint8)


def disc(label: int, pose: Pose, colour: int = 200, shadow: Shadow | None = None) -> Actor:
    return Actor(label, lambda _: pose, (Part(lambda _: ellipse(points=200), plain(colour)),), shadow)


def render_one(*actors: Actor) -> tuple[np.ndarray, np.ndarray]:
    scene = Scene(lambda _: np.zeros((60, 80, 3), np.uint8), actors)
    return next(render_scene(scene, 1))


def distances(pose: Pose) -> np.ndarray:
    rows, columns = np.mgrid[:60, :80] + 0.5
    return np.hypot(columns - pose.x, rows - pose.y)


def test_the_mask_of_a_disc_is_exact() -> None:
    pose = Pose(37.3, 28.6, 17.4)
    image, mask = render_one(disc(5, pose))
    away = distances(pose) - pose.scale
    assert (mask[away < -0.3] == 5).all()
    assert not mask[away > 0.3].any()
    assert np.count_nonzero(mask) == pytest.approx(np.pi * pose.scale**2, rel=0.02)
    # The rim is smooth: half covered pixels are half as bright, and those are the mask's border.
    assert (image[away < -1] == 200).all()
    assert not image[away > 1].any()
    coverage = image[..., 0] / 200
    assert ((coverage > 0.05) & (coverage < 0.95)).sum() > 60
    clear = np.abs(coverage - 0.5) > 0.02
    assert np.array_equal((coverage > 0.5)[clear], (mask == 5)[clear])


def test_a_turned_square_covers_what_it_must() -> None:
    pose = Pose(40.0, 30.0, 20.0, angle=np.pi / 4)
    square = Part(lambda _: regular(4), plain(90))  # a corner on top; turned by 45 degrees its sides are upright
    _, mask = render_one(Actor(1, lambda _: pose, (square,)))
    half = 20 / np.sqrt(2)
    expected = np.zeros((60, 80), np.uint8)
    expected[round(30 - half) : round(30 + half), round(40 - half) : round(40 + half)] = 1
    assert np.array_equal(mask, expected)


def test_textures_turn_with_their_actor() -> None:
    quarters = np.array([[40, 80], [120, 240]], np.uint8)
    texture = np.repeat(np.kron(quarters, np.ones((8, 8), np.uint8))[:, :, None], 3, axis=2)
    actor = Actor(1, lambda _: Pose(43, 29, 20, np.pi / 2), (Part(lambda _: ellipse(), texture),))
    image, _ = render_one(actor)
    # A quarter turn clockwise: what was to the upper left is to the upper right.
    seen = [[image[29 + y, 43 + x, 0] for x in (-10, 10)] for y in (-10, 10)]
    assert seen == [[120, 40], [240, 80]]


def test_stars_point_up() -> None:
    corners = star(5, inner=0.4)
    assert corners[0].tolist() == pytest.approx([0, -1], abs=1e-6)
    assert np.hypot(*corners.T).tolist() == pytest.approx([1, 0.4] * 5, abs=1e-6)


def test_who_is_in_front_hides_who_is_behind() -> None:
    back, front, bar = Pose(35, 30, 15), Pose(45, 30, 15), Pose(40, 30, 6)
    _, mask = render_one(disc(1, back), disc(2, front), disc(0, bar))
    inside_back, inside_front = distances(back) < 14.5, distances(front) < 14.5
    hidden = distances(bar) < 5.5
    assert (mask[inside_front & (distances(bar) > 6.5)] == 2).all()
    assert (mask[inside_back & (distances(front) > 15.5) & (distances(bar) > 6.5)] == 1).all()
    assert not mask[hidden].any()


def test_shadows_darken_the_ground_and_are_no_part_of_the_object() -> None:
    pose, shadow = Pose(30, 30, 10), Shadow(x=2.5, y=0.0, blur=0.1, strength=0.5)
    scene = Scene(lambda _: np.full((60, 80, 3), 200, np.uint8), (disc(1, pose, shadow=shadow),))
    image, mask = next(render_scene(scene, 1))
    assert image[30, 55, 0] == pytest.approx(100, abs=3)
    assert mask[30, 55] == 0
    assert image[5, 5, 0] == 200


def test_shadows_can_lie_flat() -> None:
    shadow = Shadow(x=0.0, y=1.5, squash=0.2, blur=0.05, strength=0.5)
    scene = Scene(lambda _: np.full((60, 80, 3), 200, np.uint8), (disc(1, Pose(40, 20, 10), shadow=shadow),))
    image, mask = next(render_scene(scene, 1))
    dark = (image[..., 0] < 150) & (mask == 0)
    rows, columns = np.nonzero(dark)
    assert (columns.min(), columns.max()) == (pytest.approx(30, abs=2), pytest.approx(50, abs=2))
    assert (rows.min(), rows.max()) == (pytest.approx(33, abs=2), pytest.approx(37, abs=2))


def test_actors_beyond_the_image_are_not_drawn() -> None:
    image, mask = render_one(disc(1, Pose(-50, 30, 20), shadow=Shadow()), disc(2, Pose(40, 500, 20)))
    assert not mask.any()
    assert not image.any()


def test_there_are_five_scenes_and_each_shows_its_objects() -> None:
    assert set(SCENES) == set(OBJECTS)
    for name, ids in OBJECTS.items():
        clip = render_clip(name, frames=3, height=64, width=96)
        assert clip.images.shape == (3, 64, 96, 3)
        assert clip.masks.shape == (3, 64, 96)
        assert clip.images.dtype == clip.masks.dtype == np.uint8
        assert clip.object_ids == ids
        for object_id in ids:
            assert (clip.masks[0] == object_id).sum() > 20, f"{name}: object {object_id} in the first frame"
        assert clip.images.std() > 20
        assert not np.array_equal(clip.masks[0], clip.masks[-1])


@pytest.mark.parametrize("name", SCENES)
def test_equal_seeds_give_equal_clips(name: str) -> None:
    first, again, other = (render_clip(name, 2, 48, 80, seed) for seed in (3, 3, 4))
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(first.masks, again.masks)
    assert not np.array_equal(first.images, other.images)


def areas(name: str, object_id: int) -> np.ndarray:
    clip = render_clip(name, frames=25, height=60, width=107)
    return np.count_nonzero(clip.masks == object_id, axis=(1, 2))


def test_the_star_leaves_the_frame_and_comes_back() -> None:
    area = areas("kites", 3)
    gone = np.flatnonzero(area == 0)
    assert len(gone)
    assert area[: gone[0]].min() > 0
    assert area[-1] > 100


def test_one_twin_hides_the_other() -> None:
    area = areas("twins", 1)
    assert area[10:15].min() < 0.4 * area[0]
    assert area[-1] > 0.8 * area[0]


def test_a_ball_passes_behind_the_trunk() -> None:
    area = areas("passing", 1)
    assert area[3:9].min() < 0.8 * area[0]
    assert area[-1] == pytest.approx(area[0], rel=0.05)


def test_the_balloon_grows() -> None:
    area = areas("zoom", 1)
    assert area[-1] > 9 * area[0]


def test_any_shape_of_frame_will_do() -> None:
    assert render_clip("fish", 1, 96, 48).images.shape == (1, 96, 48, 3)
    assert render_clip("twins", 1, 16, 16).masks.shape == (1, 16, 16)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cats",), "there is no scene 'cats'; there are kites, fish, twins, passing, zoom"),
        (("fish", 0), "a clip of 0 frames"),
        (("fish", 1, 8, 96), "a clip of 96x8 was asked for; expected sides of 16 to 4096"),
        (("fish", 1, 96, 5000), "a clip of 5000x96"),
    ],
)
def test_bad_arguments_are_told_at_once(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        render_frames(*arguments)


def test_training_clips_differ_and_follow_their_generator() -> None:
    clips = [training_clip(np.random.default_rng(n), 3, (64, 80), max_objects=2) for n in range(30)]
    again = training_clip(np.random.default_rng(7), 3, (64, 80), max_objects=2)
    assert np.array_equal(clips[7].images, again.images)
    assert np.array_equal(clips[7].masks, again.masks)
    assert all(c.images.shape == (3, 64, 80, 3) and c.masks.shape == (3, 64, 80) for c in clips)
    assert {c.object_ids for c in clips} >= {(1,), (1, 2)}
    assert max(max(c.object_ids, default=0) for c in clips) == 2
    assert sum(np.any(c.masks[0] != c.masks[-1]) for c in clips) >= 28
    with pytest.raises(InputError, match="0 objects"):
        training_clip(np.random.default_rng(0), 3, (64, 80), max_objects=0)


def test_the_small_clip_for_tests_has_objects(small_clip: SyntheticClip) -> None:
    assert small_clip.masks.shape == (4, 64, 96)
    assert small_clip.object_ids == (1, 2, 3)
    with pytest.raises(ValueError, match="read-only"):
        small_clip.masks[:] = 0


def test_the_command_writes_frames_masks_and_a_video(tmp_path: Path) -> None:
    assert main(["twins", "--out", str(tmp_path), "--frames", "3", "--height", "64", "--width", "96"]) == 0
    clip = render_clip("twins", 3, 64, 96)
    files = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert files == [
        *(f"Annotations/twins/{n:05}.png" for n in range(3)),
        *(f"JPEGImages/twins/{n:05}.jpg" for n in range(3)),
        "twins.mp4",
    ]
    for n in range(3):
        assert np.array_equal(read_mask(tmp_path / f"Annotations/twins/{n:05}.png"), clip.masks[n])
        image = cv2.imread(str(tmp_path / f"JPEGImages/twins/{n:05}.jpg"))[..., ::-1]
        assert np.abs(image.astype(int) - clip.images[n]).mean() < 6
    assert (tmp_path / "twins.mp4").stat().st_size > 500


def test_the_command_says_what_is_wrong(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert main(["twins", "--out", str(tmp_path / "out"), "--frames", "0"]) == 2
    assert "a clip of 0 frames" in caplog.text
    assert not (tmp_path / "out").exists()


def test_the_command_is_found() -> None:
    command = [sys.executable, "-m", "vos_kd.data.synthetic", "--help"]
    root = Path(__file__).resolve().parents[2]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert "kites" in shown.stdout
