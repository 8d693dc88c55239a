"""Sizes, padding and the way back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vos_kd.geometry import FrameGeometry

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("size", "limits", "working"),
    [
        ((480, 854), {}, (480, 854)),
        ((480, 854), {"short_side": 240}, (240, 427)),
        ((1920, 1080), {"short_side": 480}, (853, 480)),
        ((480, 854), {"max_side": 427}, (240, 427)),
        ((480, 854), {"short_side": 240, "max_side": 300}, (169, 300)),
        ((100, 100), {"short_side": 480}, (100, 100)),
        ((1, 1000), {"max_side": 100}, (1, 100)),
    ],
)
def test_working_size(size: tuple[int, int], limits: dict[str, int], working: tuple[int, int]) -> None:
    geometry = FrameGeometry.fit(*size, **limits)
    assert (geometry.working_height, geometry.working_width) == working
    assert all(side % 16 == 0 for side in geometry.network_size)


def test_padding_is_split_evenly_with_the_odd_pixel_after() -> None:
    assert FrameGeometry.fit(480, 854).padding == (5, 5, 0, 0)
    assert FrameGeometry.fit(33, 35).padding == (6, 7, 7, 8)


def test_input_is_the_image_in_the_middle_of_its_padding_colour() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 18, 3), np.uint8)
    got = FrameGeometry.fit(20, 18).network_input(image, (0.1, 0.2, 0.3), CPU, torch.float32)
    assert got.shape == (1, 3, 32, 32)
    assert got.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(got[0, :, 6:26, 7:25].permute(1, 2, 0).numpy(), image / 255, atol=1e-6)
    torch.testing.assert_close(got[0, :, 0, 0], torch.tensor([0.1, 0.2, 0.3]))
    torch.testing.assert_close(got[0, :, -1, -1], torch.tensor([0.1, 0.2, 0.3]))


def test_numpy_and_torch_images_give_the_same_input() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    geometry = FrameGeometry.fit(40, 60, short_side=30)
    color = (0.5, 0.5, 0.5)
    one = geometry.network_input(image, color, CPU, torch.float32)
    as_tensor = torch.from_numpy(image).permute(2, 0, 1)
    torch.testing.assert_close(geometry.network_input(as_tensor, color, CPU, torch.float32), one)
    floats = geometry.network_input(as_tensor.float() / 255, color, CPU, torch.float32)
    assert float((floats - one).abs().max()) < 1.5 / 255  # uint8 is rounded between the two passes of resizing


@pytest.mark.parametrize("stride", [1, 4])
def test_masks_keep_their_area_and_come_back_in_place(stride: int) -> None:
    mask = np.zeros((48, 50), np.uint8)
    mask[8:40, 10:42] = 3
    geometry = FrameGeometry.fit(48, 50)
    probs = geometry.mask_input(mask, [3, 9], stride, CPU)
    assert probs.shape == (2, 48 // stride, 64 // stride)
    assert float(probs[0].sum()) * stride**2 == 32 * 32
    assert float(probs[1].max()) == 0
    back = geometry.to_frame(probs - 0.5, stride)[0] > 0
    agree = (back.numpy() == (mask == 3)).mean()
    assert back.shape == (48, 50)
    assert agree > (0.999 if stride == 1 else 0.97)


def test_maps_come_back_at_the_frames_size_after_a_smaller_working_size() -> None:
    geometry = FrameGeometry.fit(96, 160, short_side=48)
    mask = np.zeros((96, 160), np.uint8)
    mask[:, 80:] = 1
    probs = geometry.mask_input(mask, [1], 4, CPU)
    back = geometry.to_frame(probs - 0.5, 4)
    assert back.shape == (1, 96, 160)
    assert abs(int((back[0, 50] > 0).sum()) - 80) <= 2
