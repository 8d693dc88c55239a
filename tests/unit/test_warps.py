"""Random motion: where it starts, how large it is, and that both interpolations agree."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vos_kd.data import warps

TIMES = np.array([0.0, 1.0, 2.5, 3.0])
SIZE = (48, 80)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_motion_starts_at_rest_and_is_a_function_of_the_generator() -> None:
    camera = warps.sample_camera(rng(), TIMES, SIZE)
    motion = warps.sample_object_motion(rng(), TIMES, np.array([20.0, 10.0]), 12, SIZE)
    for matrices in (camera, motion):
        assert matrices.shape == (4, 3, 3)
        np.testing.assert_allclose(matrices[0], np.eye(3), atol=1e-12)
        assert np.abs(matrices[1:] - np.eye(3)).max() > 1e-3
    np.testing.assert_array_equal(camera, warps.sample_camera(rng(), TIMES, SIZE))


def test_speeds_are_modest_with_a_heavy_tail() -> None:
    centre = np.array([128.0, 128.0])
    steps = []
    for seed in range(600):
        motion = warps.sample_object_motion(rng(seed), np.array([0.0, 1.0]), centre, 80, (256, 256))
        steps.append(np.linalg.norm(warps.apply(motion[1], centre) - centre) / 256)
    median, high = np.quantile(steps, [0.5, 0.98])
    assert 0.01 < median < 0.05
    assert high > 4 * median


def test_motion_is_smooth_when_nothing_shakes() -> None:
    # A path bends little: second differences are small against the way covered.
    times = np.linspace(0, 3, 7)
    for seed in range(20):
        way = warps._path(rng(seed), times, 0.1, 10.0, 2)
        bends, steps = np.abs(np.diff(way, 2, axis=0)).max(), np.abs(np.diff(way, axis=0)).max()
        assert bends < 0.06 + 0.5 * steps


def test_excursion_starts_inside_and_goes_the_whole_distance() -> None:
    way = np.linalg.norm(warps.sample_excursion(rng(), np.linspace(0, 1, 101), 200.0), axis=1)
    assert way[0] == 0
    assert way.max() == pytest.approx(200, rel=1e-3)


def test_crossing_starts_at_the_distance_and_passes_the_middle() -> None:
    way = np.linalg.norm(warps.sample_crossing(rng(), np.linspace(0, 1, 1001), 50.0), axis=1)
    assert way[0] == pytest.approx(50)
    assert way.min() < 0.2


@pytest.mark.parametrize("size", [(48, 80), (41, 59)])
def test_interpolated_maps_of_affine_motion_are_exact(size: tuple[int, int]) -> None:
    matrix = warps.placement(1.7, 0.4, True, np.array([30.0, 20.0]), np.array([25.0, 33.0]))
    coarse = warps.coarse_maps(matrix[None], None, size)[0]
    y, x = np.mgrid[: size[0], : size[1]]
    exact = np.stack([x, y, np.ones_like(x)], axis=-1) @ np.linalg.inv(matrix).T
    np.testing.assert_allclose(warps.full_map(coarse, size), exact[..., :2], atol=2e-4)


def test_waves_displace_by_their_amplitude_where_the_source_says() -> None:
    waves = warps.Waves(np.array([[2.0, -1.0]]), np.array([[0.1, 0.0]]), np.array([[0.3]]))
    plain, bent = (warps.coarse_maps(np.eye(3)[None], w, SIZE)[0] for w in (None, waves))
    expected = np.sin(0.1 * plain[..., :1] + 0.3) * [2.0, -1.0]
    np.testing.assert_allclose(bent - plain, expected, atol=1e-5)


def test_sampled_waves_are_no_shorter_than_the_coarse_map_carries() -> None:
    waves = warps.sample_waves(rng(), TIMES, 5.0, 0.02, 40.0)
    np.testing.assert_allclose(2 * np.pi / np.linalg.norm(waves.frequency, axis=1), 40)
    assert waves.phase.shape == (4, 3)


def test_both_interpolations_of_a_map_agree() -> None:
    waves = warps.sample_waves(rng(1), TIMES[:1], 60.0, 0.05, 30.0)
    coarse = warps.coarse_maps(np.eye(3)[None], waves, SIZE)[0]
    flat = torch.from_numpy(coarse).permute(2, 0, 1)[None]
    fine = F.interpolate(flat, scale_factor=warps.CELL, mode="bilinear", align_corners=False)[0].permute(1, 2, 0)
    inner = fine[warps.CELL : warps.CELL + SIZE[0], warps.CELL : warps.CELL + SIZE[1]]
    np.testing.assert_allclose(warps.full_map(coarse, SIZE), inner.numpy(), atol=1e-4)


def test_placement_takes_the_point_there_with_its_scale() -> None:
    source, target = np.array([3.0, 4.0]), np.array([50.0, 60.0])
    place = warps.placement(2.5, 0.7, True, source, target)
    np.testing.assert_allclose(warps.apply(place, source), target)
    assert warps.scale_of(place) == pytest.approx(2.5)
    assert np.linalg.det(place[:2, :2]) < 0  # mirrored


def test_a_large_photo_is_shifted_to_fill_the_output_and_a_small_one_to_its_middle() -> None:
    place = warps.placement(1.0, 0.0, False, np.zeros(2), np.array([30.0, 10.0]))
    large = warps.kept_inside(place, (100, 200), SIZE)
    np.testing.assert_allclose(large[:2, 2], [0, 0])
    small = warps.kept_inside(place, (20, 200), SIZE)
    np.testing.assert_allclose(small[:2, 2], [0, 14])


def test_streaks_are_normalised_symmetric_and_as_long_as_the_way() -> None:
    still = warps.streak_kernels(np.zeros((3, 2)), 0.5)
    middle = warps.KERNEL // 2
    assert still[0, middle, middle] == 1
    kernels = warps.streak_kernels(np.array([[0.0, 0.0], [8.0, 0.0], [108.0, 100.0]]), 0.5)
    np.testing.assert_allclose(kernels.sum((1, 2)), 1, atol=1e-5)
    np.testing.assert_allclose(kernels, kernels[:, ::-1, ::-1], atol=1e-6)
    rows, columns = np.nonzero(kernels[0])
    assert set(rows) == {middle}
    assert 3 <= np.ptp(columns) <= 6  # half of 8 pixels, and the tent's foot
    rows, columns = np.nonzero(kernels[2])
    assert np.ptp(rows) == np.ptp(columns) <= warps.KERNEL - 1


def test_colours_drift_slowly() -> None:
    colours = [warps.sample_colours(rng(seed), TIMES) for seed in range(200)]
    matrices = np.stack([c.matrix for c in colours])
    assert matrices.shape == (200, 4, 3, 4)
    within, between = np.abs(np.diff(matrices, axis=1)).mean(), matrices.std(axis=0).mean()
    assert 0 < within < between
    assert all((c.gamma > 0.4).all() and (c.gamma < 2.5).all() for c in colours)


def test_magnification_is_that_of_the_matrices_whatever_bends() -> None:
    turned = warps.placement(0.4, 0.7, True, np.array([50.0, 30.0]), np.array([40.0, 20.0]))
    matrices = np.stack([turned, turned])
    assert warps.magnification(warps.coarse_maps(matrices, None, (64, 96))) == pytest.approx(0.4, rel=1e-4)
    waves = warps.sample_waves(rng(), np.arange(2.0), 60.0, 0.03, 100.0)
    assert warps.magnification(warps.coarse_maps(matrices, waves, (64, 96))) == pytest.approx(0.4, rel=0.05)


@pytest.mark.parametrize("blur", [0.8, 1.5, 3.0, 8.0])
def test_a_low_pass_keeps_the_mean_and_is_as_wide_as_told(blur: float) -> None:
    kernel = warps.low_pass(blur).astype(float)
    at = np.arange(len(kernel)) - len(kernel) // 2
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    assert np.sqrt((kernel * at**2).sum()) == pytest.approx(min(blur, 3.0), rel=0.03)
