"""Synthetic clips: exact masks, visible objects, equal clips for equal draws, and batches of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from vos_kd.data import warps
from vos_kd.data.clips import ClipSample, PhotoClips, collate, concatenate, keep_visible
from vos_kd.data.geometry import photo_geometry
from vos_kd.data.photos import Photo, open_photos
from vos_kd.data.rendering import cut_from, fill_holes, render
from vos_kd.data.scenes import MIN_OBJECT_PIXELS, Layer, PhotoSource, Scene, sample_bend, sample_scene
from vos_kd.data.streams import BatchStream, Mixture
from vos_kd.errors import InputError

SIZE = (64, 96)
NO_COLOURS = warps.Colours(np.tile(np.eye(3, 4, dtype=np.float32), (2, 1, 1)), np.ones(2, np.float32))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve photos of one or two ellipses on noise."""
    root = tmp_path_factory.mktemp("photos")
    (root / "images").mkdir()
    (root / "masks").mkdir()
    rng = np.random.default_rng(0)
    for n in range(12):
        image = cv2.resize(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8), (120, 90))
        mask = np.zeros((90, 120), np.uint8)
        cv2.ellipse(mask, (40, 45), (25, 15 + n), 10 * n, 0, 360, 1, -1)
        if n % 2:
            cv2.ellipse(mask, (95, 30), (14, 18), 0, 0, 360, 2, -1)
        cv2.imwrite(str(root / "images" / f"p{n}.png"), image)
        picture = Image.fromarray(mask)
        picture.putpalette(list(range(256)) * 3)
        picture.save(root / "masks" / f"p{n}.png")
    return root


@pytest.fixture(scope="module")
def clips(folder: Path) -> PhotoClips:
    return PhotoClips(open_photos([folder], part="all"), frames=3, size=SIZE)


def layer(photo: int, object_id: int, label: int, *shifts: tuple[float, float], holes: tuple[int, ...] = ()) -> Layer:
    matrices = np.stack([warps.placement(1.0, 0.0, False, np.zeros(2), np.array(s)) for s in shifts])
    return Layer(photo, object_id, label, warps.coarse_maps(matrices, None, SIZE), holes=holes)


def plain_photo(name: str, colour: tuple[int, int, int], mask: np.ndarray) -> Photo:
    return Photo(name, np.broadcast_to(np.array(colour, np.uint8), (*mask.shape, 3)).copy(), mask)


def two_squares() -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    mask[10:30, 20:50], mask[40:60, 60:90] = 5, 9
    return mask


def test_masks_are_the_warp_of_the_photo_mask() -> None:
    photo = plain_photo("a", (10, 20, 30), two_squares())
    scene = Scene(SIZE, (layer(0, 0, 0, (0, 0), (0, 0)), layer(0, 5, 1, (0, 0), (7, 3))), NO_COLOURS)
    _, masks = render(scene, [photo].__getitem__)
    np.testing.assert_array_equal(masks[0], two_squares() == 5)
    expected = np.zeros(SIZE, np.uint8)
    expected[13:33, 27:57] = 1
    np.testing.assert_array_equal(masks[1], expected)


def test_elastic_masks_equal_nearest_look_up_and_ids_never_mix() -> None:
    rng = np.random.default_rng(3)
    matrices = warps.placement(1.3, 0.3, True, np.array([50.0, 35.0]), np.array([48.0, 32.0]))[None].repeat(2, 0)
    waves = warps.sample_waves(rng, np.array([0.0, 1.0]), 40.0, 0.05, 30.0)
    maps = warps.coarse_maps(matrices, waves, SIZE)
    photo = plain_photo("a", (10, 20, 30), two_squares())
    layers = (layer(0, 0, 0, (0, 0), (0, 0)), Layer(0, 5, 1, maps), Layer(0, 9, 2, maps))
    _, masks = render(Scene(SIZE, layers, NO_COLOURS), [photo].__getitem__)
    for mask, coarse in zip(masks, maps, strict=True):
        at = np.rint(warps.full_map(coarse, SIZE)).astype(int)
        inside = (at >= 0).all(-1) & (at < (SIZE[1], SIZE[0])).all(-1)
        ids = np.where(inside, two_squares()[at[..., 1].clip(0, SIZE[0] - 1), at[..., 0].clip(0, SIZE[1] - 1)], 0)
        expected = np.select([ids == 5, ids == 9], [1, 2], 0)
        assert np.mean(mask != expected) < 2e-3  # positions halfway between two pixels may round either way
        assert set(np.unique(mask)) == {0, 1, 2}


def test_later_layers_cover_earlier_ones_and_unlabelled_ones_erase() -> None:
    mask = two_squares()
    photos = [plain_photo("a", (200, 0, 0), mask), plain_photo("b", (0, 200, 0), mask)]
    stack = (layer(0, 0, 0, (0, 0), (0, 0)), layer(0, 5, 1, (0, 0), (0, 0)), layer(1, 5, 0, (10, 0), (15, 0)))
    images, masks = render(Scene(SIZE, stack, NO_COLOURS), photos.__getitem__)
    assert masks[0][20, 25] == 1
    assert masks[0][20, 45] == 0  # under the distractor
    np.testing.assert_array_equal(images[0][20, 45], [0, 200, 0])
    np.testing.assert_array_equal(images[0][20, 25], [200, 0, 0])


def test_void_is_exactly_what_lies_outside_the_background_photo() -> None:
    photo = plain_photo("a", (9, 9, 9), two_squares())
    _, masks = render(Scene(SIZE, (layer(0, 0, 0, (0, 0), (10, 4)),), NO_COLOURS), [photo].__getitem__)
    expected = np.zeros(SIZE, np.uint8)
    expected[:4], expected[:, :10] = 255, 255
    assert not masks[0].any()
    np.testing.assert_array_equal(masks[1], expected)


def test_cut_outs_carry_no_colour_of_their_old_background() -> None:
    photo = plain_photo("a", (0, 0, 255), two_squares())
    photo.image[photo.mask == 5] = (200, 100, 0)
    # The rim is half background, as in real photos.
    rim = (photo.mask == 5) & ~cv2.erode((photo.mask == 5).astype(np.uint8), np.ones((3, 3))).astype(bool)
    photo.image[rim] = (100, 50, 127)
    colours, shape, corner = cut_from(photo, 5)
    assert corner == (9, 0)
    np.testing.assert_array_equal(colours[:, :, 3] == 255, photo.mask[:41, 9:61] == 5)
    np.testing.assert_array_equal(shape, colours[:, :, 3])
    np.testing.assert_array_equal(np.unique(colours[colours[:, :, 3] > 0], axis=0), [[200, 100, 0, 255]])
    assert not colours[colours[:, :, 3] == 0].any()


def test_a_soft_cut_out_is_its_low_pass_and_its_mask_stays_sharp() -> None:
    photo = plain_photo("a", (0, 0, 255), two_squares())
    photo.image[photo.mask == 5] = (200, 100, 0)
    sharp, soft = cut_from(photo, 5), cut_from(photo, 5, blur=2.0)
    expected = cv2.GaussianBlur(sharp.colours, (19, 19), 2.0, borderType=cv2.BORDER_CONSTANT)
    assert np.abs(soft.colours.astype(int) - expected).max() <= 1
    assert 100 < soft.colours[19, 11, 3] < 200  # the rim: half of what is around it
    np.testing.assert_array_equal(soft.shape, sharp.shape)
    assert soft.corner == sharp.corner


def test_holes_take_the_colours_around_them() -> None:
    photo = plain_photo("a", (50, 60, 70), two_squares())
    photo.image[photo.mask > 0] = 255
    filled = fill_holes(photo.image, photo.mask > 0)
    assert np.abs(filled.astype(int) - (50, 60, 70)).max() <= 1


def test_holes_take_the_grain_of_the_place_half_a_photo_aside() -> None:
    stripes = np.where(np.arange(160) % 4 < 2, 90, 110).astype(np.uint8)
    image = np.broadcast_to(stripes[None, :, None], (80, 160, 3)).copy()
    hole = np.zeros((80, 160), bool)
    hole[30:50, 20:50] = True
    truth = image.copy()
    image[hole] = 255
    inner = fill_holes(image, hole)[34:46, 24:46]
    assert inner.std() > 0.7 * truth.std()
    np.testing.assert_allclose(inner, truth[34:46, 24:46], atol=6)  # 80 pixels aside, stripes of 4 fall on each other


def test_most_objects_are_nearly_stiff_and_some_bend() -> None:
    rng = np.random.default_rng(0)
    bends = np.array([sample_bend(rng) for _ in range(2000)])
    assert 0.003 < bends.min() < 0.004
    assert 0.06 < bends.max() < 0.08
    assert 0.01 < np.median(bends) < 0.02


def test_equal_draws_give_equal_clips_and_others_differ(clips: PhotoClips) -> None:
    first, again, other = (clips.sample(np.random.default_rng([7, n])) for n in (1, 1, 2))
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.masks, again.masks)
    assert (first.images != other.images).mean() > 0.5


def test_clips_hold_what_they_promise(clips: PhotoClips) -> None:
    counts = set()
    for n in range(60):
        images, masks, object_ids = clips.sample(np.random.default_rng([0, n]))
        assert images.shape == (3, *SIZE, 3)
        assert images.dtype == masks.dtype == np.uint8
        assert object_ids == tuple(range(1, len(object_ids) + 1))
        assert set(np.unique(masks)) <= {0, 255, *object_ids}
        for object_id in object_ids:
            assert (masks[0] == object_id).sum() >= MIN_OBJECT_PIXELS
        assert (masks == 255).mean() < 0.5
        counts.add(len(object_ids))
    assert counts == {1, 2, 3}


def test_scenes_have_all_kinds_of_layers(folder: Path) -> None:
    photos = open_photos([folder], part="all")
    source = PhotoSource(photos.draw, lambda index: photo_geometry(photos.read(index).mask))
    scenes = [sample_scene(np.random.default_rng([1, n]), source, 3, SIZE) for n in range(80)]
    assert {bool(s.layers[0].holes) for s in scenes} == {True, False}
    assert {s.layers[0].kernels is None for s in scenes} == {True, False}
    assert any(la.object_id and not la.label for s in scenes for la in s.layers[1:])
    for scene in scenes:
        labels = sorted(la.label for la in scene.layers if la.label)
        assert len(set(labels)) == len(labels)
        assert 1 <= len(labels) <= 3


def test_cut_outs_are_between_crisp_and_as_soft_as_their_ground(folder: Path) -> None:
    photos = open_photos([folder])
    source = PhotoSource(photos.draw, lambda index: photo_geometry(photos.read(index).mask))
    shares = []
    for seed in range(60):
        ground, *others = sample_scene(np.random.default_rng(seed), source, 3, (96, 160)).layers
        assert ground.blur == 0
        enlarged = warps.magnification(ground.maps)
        for one in others:
            own = warps.magnification(one.maps)
            detail = own * np.sqrt(1 + 4 * one.blur**2)  # the finest it shows, in output pixels
            assert detail == pytest.approx(max(detail, 1.0), rel=1e-4)
            assert detail <= max(own, enlarged, 1.0) * 1.0001
            if own < 0.9 and enlarged > 1.5:
                shares.append(np.log(max(detail, 1.0)) / np.log(enlarged))
    assert len(shares) > 20
    assert min(shares) < 0.2
    assert max(shares) > 0.8


def test_what_is_invisible_at_first_is_background_and_clips_may_run_backwards() -> None:
    masks = np.zeros((3, 20, 20), np.uint8)
    masks[0, :10, :10], masks[0, 10, 10], masks[:, 19] = 3, 2, 255
    masks[2, :10, :10], masks[2, 10:18] = 3, 2
    images = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((1, 20, 20, 3), np.uint8)
    both = keep_visible(images, masks, 3)
    assert both is not None
    assert both.object_ids == (1, 2)
    assert both.images[:, 0, 0, 0].tolist() == [2, 1, 0]
    assert both.masks[0, 0, 0] == 2  # label 3 became 2
    assert both.masks[0, 12, 0] == 1
    assert (both.masks[:, 19] == 255).all()
    forwards = keep_visible(images, np.concatenate([masks[:1], masks[:1], masks[1:2]]), 3)
    assert forwards is not None
    assert forwards.object_ids == (1,)
    assert forwards.masks[0, 10, 10] == 0
    assert keep_visible(images, masks[1:2].repeat(3, 0), 3) is None


def test_collate_gives_one_hot_masks_of_fixed_width() -> None:
    masks = np.zeros((2, 16, 32), np.uint8)
    masks[0, 3, 4], masks[1, 5, 6], masks[1, 0, 0] = 1, 2, 255
    images = np.zeros((2, 16, 32, 3), np.uint8)
    images[1, 2, 3] = (1, 2, 3)
    batch = collate([ClipSample(images, masks, (1, 2)), ClipSample(images, masks * 0, (1,))])
    assert batch.images.shape == (2, 2, 3, 16, 32)
    assert batch.images[0, 1, :, 2, 3].tolist() == [1, 2, 3]
    assert batch.masks.shape == (2, 2, 3, 16, 32)
    assert torch.nonzero(batch.masks).tolist() == [[0, 0, 0, 3, 4], [0, 1, 1, 5, 6]]
    assert torch.nonzero(~batch.valid).tolist() == [[0, 1, 0, 0]]
    assert batch.object_valid.tolist() == [[True, True, False], [True, False, False]]
    assert concatenate([batch, batch]).masks.sum() == 4


def test_collate_refuses_what_does_not_fit() -> None:
    small, large = (
        ClipSample(np.zeros((2, s, 16, 3), np.uint8), np.zeros((2, s, 16), np.uint8), (1, 2)) for s in (16, 32)
    )
    with pytest.raises(InputError, match="expected one"):
        collate([small, large])
    with pytest.raises(InputError, match="2 objects; expected at most 1"):
        collate([small], max_objects=1)


def test_batches_depend_on_seed_and_number_alone(clips: PhotoClips) -> None:
    stream = BatchStream(clips, collate, batch_size=2, seed=5)
    expected = [stream.batch(n) for n in range(5)]
    loader = iter(DataLoader(stream, batch_size=None, num_workers=2))
    resumed = iter(BatchStream(clips, collate, batch_size=2, seed=5, start=3))
    second_of_two = iter(BatchStream(clips, collate, batch_size=2, seed=5, start=1, rank=1, ranks=2))
    for wanted, got in [
        *zip(expected, loader, strict=False),
        (expected[3], next(resumed)),
        (expected[3], next(second_of_two)),
    ]:
        assert torch.equal(wanted.images, got.images)
        assert torch.equal(wanted.masks, got.masks)
    del loader  # ends its workers
    assert not torch.equal(expected[0].images, expected[1].images)


class Constant:
    def __init__(self, value: int) -> None:
        self.value = value

    def sample(self, rng: np.random.Generator) -> int:
        return self.value


def test_mixture_draws_by_weight() -> None:
    mixture = Mixture([Constant(0), Constant(1), Constant(2)], [1, 3, 0])
    values = [mixture.sample(np.random.default_rng([0, n])) for n in range(1000)]
    np.testing.assert_allclose(np.bincount(values, minlength=3) / 1000, [0.25, 0.75, 0], atol=0.05)
    with pytest.raises(InputError, match="1 weights for 2 sources"):
        Mixture([Constant(0), Constant(1)], [1])
    with pytest.raises(InputError, match="not all 0"):
        Mixture([Constant(0)], [0])


def test_impossible_clips_are_refused(clips: PhotoClips, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 2"):
        PhotoClips(clips.photos, frames=1)
    with pytest.raises(InputError, match="multiples of 16"):
        PhotoClips(clips.photos, size=(64, 90))
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        cv2.imwrite(str(tmp_path / kind / "a.png"), np.zeros((20, 20), np.uint8))
    with pytest.raises(InputError, match="has an object"):
        PhotoClips(open_photos([tmp_path], part="all")).sample(np.random.default_rng(0))
