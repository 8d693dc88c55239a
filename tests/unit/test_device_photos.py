"""Photos in device memory: the same clips as from the processor, on any device."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from vos_kd.data import device_photos as device_photos_module
from vos_kd.data import device_rendering, warps
from vos_kd.data.clips import PhotoClips, collate, keep_visible
from vos_kd.data.device_photos import DeviceClips, DevicePhotos
from vos_kd.data.photos import PhotoSet, open_photos
from vos_kd.data.rendering import render
from vos_kd.data.scenes import Scene
from vos_kd.data.streams import BatchStream
from vos_kd.errors import InputError

SIZE = (64, 80)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> PhotoSet:
    """Eight smooth photos of different sizes, each with a grey-mask object."""
    root = tmp_path_factory.mktemp("photos")
    (root / "images").mkdir()
    (root / "masks").mkdir()
    rng = np.random.default_rng(0)
    for n in range(8):
        size = (64 + 6 * n, 100 - 5 * n)
        cv2.imwrite(
            str(root / "images" / f"p{n}.png"), cv2.resize(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), size)
        )
        mask = np.zeros(size[::-1], np.uint8)
        cv2.ellipse(mask, (30, 30), (20, 10 + 2 * n), 10 * n, 0, 360, 255, -1)
        cv2.imwrite(str(root / "masks" / f"p{n}.png"), mask)
    return open_photos([root], part="all")


@pytest.fixture(scope="module")
def device_photos(photos: PhotoSet) -> DevicePhotos:
    return DevicePhotos.load(photos, "cpu")


def scenes_of(device_photos: DevicePhotos, count: int) -> list[Scene]:
    source = DeviceClips(device_photos).scenes(3, SIZE)
    return [source.sample(np.random.default_rng([4, n])) for n in range(count)]


def test_gathered_photos_are_the_photos_with_nothing_beyond(photos: PhotoSet, device_photos: DevicePhotos) -> None:
    canvases = device_photos.gather([5, 0])
    for canvas, index in zip(canvases.pixels, (5, 0), strict=True):
        photo = photos.read(index)
        height, width = photo.mask.shape
        np.testing.assert_array_equal(canvas[:3, :height, :width].permute(1, 2, 0), photo.image)
        np.testing.assert_array_equal(canvas[3, :height, :width], photo.mask)
        assert not canvas[:, height:].any()
        assert not canvas[:, :, width:].any()


def test_device_clips_equal_processor_clips(photos: PhotoSet, device_photos: DevicePhotos) -> None:
    scenes = scenes_of(device_photos, 16)
    samples = [keep_visible(*render(scene, photos.read), 3) for scene in scenes]
    scenes = [scene for scene, sample in zip(scenes, samples, strict=True) if sample is not None]
    assert len(scenes) > 12
    assert any(scene.layers[0].kernels is not None for scene in scenes)
    assert any(scene.layers[0].holes for scene in scenes)
    expected = collate([sample for sample in samples if sample is not None])
    got = DeviceClips(device_photos).render(scenes)
    difference = (got.images.int() - expected.images.int()).abs().float().mean((1, 2, 3, 4))
    assert difference.max() < 1.5
    # Positions halfway between two pixels may round either way.
    assert (got.masks != expected.masks).float().mean() < 1e-4
    assert (got.valid != expected.valid).float().mean() < 1e-3
    assert torch.equal(got.object_valid, expected.object_valid)


def test_scenes_are_those_of_photo_clips(photos: PhotoSet, device_photos: DevicePhotos) -> None:
    scene = scenes_of(device_photos, 1)[0]
    sample = PhotoClips(photos, 3, SIZE).sample(np.random.default_rng([4, 0]))
    np.testing.assert_array_equal(sample.images, render(scene, photos.read)[0])


def test_motion_blur_is_that_of_the_processor(photos: PhotoSet, device_photos: DevicePhotos) -> None:
    scene = scenes_of(device_photos, 1)[0]
    kernels = warps.streak_kernels(np.array([[0.0, 0.0], [10.0, 2.0], [20.0, 4.0]]), 1.0)
    sharp, blurred = (
        replace(scene, layers=tuple(replace(layer, kernels=k) for layer in scene.layers)) for k in (None, kernels)
    )
    expected = torch.from_numpy(render(blurred, photos.read)[0]).permute(0, 3, 1, 2).int()
    clips = DeviceClips(device_photos)
    error = (clips.render([blurred]).images[0].int() - expected).abs().float().mean()
    effect = (clips.render([sharp]).images[0].int() - expected).abs().float().mean()
    assert error < 1.5
    assert effect > 2 * error


def test_scenes_come_in_streams(device_photos: DevicePhotos) -> None:
    clips = DeviceClips(device_photos)
    stream = BatchStream(clips.scenes(3, SIZE), list, batch_size=2, seed=4)
    first, again = clips.render(stream.batch(1)), clips.render(stream.batch(1))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.images, clips.render(scenes_of(device_photos, 4)[2:]).images)


def test_clips_without_a_visible_object_are_replaced(device_photos: DevicePhotos) -> None:
    good = scenes_of(device_photos, 2)
    blank = Scene(SIZE, good[0].layers[:1], good[0].colours)
    clips = DeviceClips(device_photos)
    batch = clips.render([blank, good[0], blank, good[1]])
    assert batch.object_valid.any(1).all()
    assert torch.equal(batch.masks[0], batch.masks[3])
    assert torch.equal(batch.images[2], batch.images[1])


def test_a_batch_without_a_visible_object_is_drawn_again(
    device_photos: DevicePhotos, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = scenes_of(device_photos, 2)
    blanks = [Scene(SIZE, scene.layers[:1], scene.colours) for scene in good]
    clips = DeviceClips(device_photos)
    batch, again = clips.render(blanks), clips.render(blanks)
    assert batch.images.shape == (2, 3, 3, *SIZE)
    assert batch.object_valid.any(1).all()
    assert torch.equal(batch.images, again.images)
    assert not torch.equal(batch.images[0], batch.images[1])
    monkeypatch.setattr(device_photos_module, "render_scenes", lambda *_: None)
    with pytest.raises(InputError, match=r"20 batches of 2 synthetic clips .* no object of 60 pixels at 80x64"):
        clips.render(blanks)


def test_labels_are_renumbered_as_on_the_processor() -> None:
    labels = torch.zeros((2, 2, 20, 20), dtype=torch.uint8)
    labels[0, 0, :10], labels[0, 1, :, :10], labels[0, :, 19] = 3, 2, 255
    labels[1, 1, :10], labels[1, 1, 10:] = 1, 3
    images = torch.arange(2.0)[None, :, None, None, None].expand(2, 2, 3, 20, 20)
    images, renamed, valid = device_rendering._keep_visible(images, labels, 3)
    assert valid.tolist() == [[True, False, False], [True, True, False]]
    assert renamed[0, 0].unique().tolist() == [0, 1, 255]  # 3 became 1, and 2, unseen at first, background
    assert renamed[0, 1].unique().tolist() == [0, 255]
    assert images[1, :, 0, 0, 0].tolist() == [1, 0]  # backwards
    assert renamed[1, 0].unique().tolist() == [1, 2]


def test_no_space_on_the_device_says_how_much_is_needed(photos: PhotoSet, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = sum(4 * photo.mask.size for photo in photos)

    def full(*args: object, **kwargs: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "empty", full)
    with pytest.raises(InputError, match=f"no space on cpu for 8 photos: {needed:,} bytes needed"):
        DevicePhotos.load(photos, "cpu")


@pytest.mark.gpu
def test_a_gpu_gives_the_same_clips(photos: PhotoSet, device_photos: DevicePhotos) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    scenes = scenes_of(device_photos, 8)
    expected = DeviceClips(device_photos).render(scenes)
    got = DeviceClips(DevicePhotos.load(photos, "cuda")).render(scenes).to("cpu")
    assert (got.images.int() - expected.images.int()).abs().float().mean() < 1
    assert (got.masks != expected.masks).float().mean() < 1e-3
