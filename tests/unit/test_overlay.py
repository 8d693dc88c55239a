"""What is drawn over an image, and what is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from vos_kd.data.masks import VOID_ID, palette
from vos_kd.errors import InputError
from vos_kd.overlay import draw_overlay, safe_palette, side_by_side


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Noise, with object 1 that touches object 2, and a void patch."""
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    mask = np.zeros((60, 90), np.uint8)
    mask[10:40, 20:50], mask[10:40, 50:70], mask[45:55, 5:15] = 1, 2, VOID_ID
    return image, mask


def test_objects_are_tinted_and_everything_else_is_untouched() -> None:
    image, mask = scene()
    mask[12:20, 25:30], mask[25:30, 25:30] = 0, VOID_ID  # amid an object
    before = image.copy()
    drawn = draw_overlay(image, mask, alpha=0.25, contour=False)
    expected = image.astype(float)
    for object_id in (1, 2):
        inside = mask == object_id
        expected[inside] = 0.75 * image[inside] + 0.25 * palette()[object_id]
    assert np.abs(drawn - expected).max() <= 1.5
    others = (mask == 0) | (mask == VOID_ID)
    assert np.array_equal(drawn[others], image[others])
    assert np.array_equal(image, before)


@pytest.mark.parametrize(("alpha", "exact"), [(0.0, "image"), (1.0, "tint")])
def test_full_and_no_tint_are_exact(alpha: float, exact: str) -> None:
    image, mask = scene()
    drawn = draw_overlay(image, mask, alpha, contour=False)
    inside = (mask == 1) | (mask == 2)
    wanted = image if exact == "image" else palette()[mask]
    assert np.array_equal(drawn[inside], wanted[inside])


def test_the_contour_lies_on_the_inner_rim_of_each_object() -> None:
    image, mask = scene()
    plain, drawn = draw_overlay(image, mask, contour=False), draw_overlay(image, mask)
    white = (drawn == 255).all(axis=2) & (plain != drawn).any(axis=2)
    rim = np.zeros_like(mask, bool)
    rim[10:40, 20:70] = True
    rim[11:39, 21:49] = rim[11:39, 51:69] = False
    assert np.array_equal(white, rim)
    dark = (drawn == 20).all(axis=2)
    assert dark[11, 21]
    assert dark.sum() == (28 * 28 - 26 * 26) + (28 * 18 - 26 * 16)
    outside = (mask == 0) | (mask == VOID_ID)
    assert np.array_equal(drawn[outside], image[outside])


def test_an_object_over_all_of_the_image_has_no_contour() -> None:
    image, mask = scene()
    mask[:] = 3
    assert np.array_equal(draw_overlay(image, mask), draw_overlay(image, mask, contour=False))


@pytest.mark.parametrize("fill", [0, VOID_ID])
def test_without_objects_the_image_comes_back_as_a_copy(fill: int) -> None:
    image, mask = scene()
    mask[:] = fill
    drawn = draw_overlay(image, mask)
    assert np.array_equal(drawn, image)
    assert not np.shares_memory(drawn, image)


def test_other_colours() -> None:
    image, mask = scene()
    colours = safe_palette()
    painted = colours.copy()
    painted[0] = painted[VOID_ID] = 99  # which is never shown
    mask[12:20, 25:30] = 0
    drawn = draw_overlay(image, mask, 1.0, contour=False, colours=painted)
    assert np.array_equal(drawn[mask == 2], np.broadcast_to(colours[2], (600, 3)))
    assert np.array_equal(drawn[mask == 0], image[mask == 0])
    assert len(np.unique(colours[1:8], axis=0)) == 7
    assert not colours[[0, VOID_ID]].any()
    assert colours[1:VOID_ID].any(axis=1).all()


def test_bad_input_is_explained() -> None:
    image, mask = scene()
    with pytest.raises(InputError, match="90x59 pixels but its image is 90x60"):
        draw_overlay(image, mask[:-1])
    with pytest.raises(InputError, match=r"alpha is 1\.5; expected 0"):
        draw_overlay(image, mask, 1.5)


def test_images_stand_side_by_side_below_their_labels() -> None:
    image, _ = scene()
    other = 255 - image
    row = side_by_side([image, other], ["Teacher", "Student"])
    assert row.shape == (80, 184, 3)
    assert np.array_equal(row[20:, :90], image)
    assert np.array_equal(row[20:, 94:], other)
    assert (row[:, 90:94] == row[0, 0]).all()
    for left in (0, 94):
        bar = row[:20, left : left + 90]
        assert (bar.max(axis=2) > 150).sum() > 20
    assert not np.array_equal(row[:20, :90], row[:20, 94:])


def test_a_long_label_is_written_smaller_and_stays_in_its_pane() -> None:
    image, _ = scene()
    row = side_by_side([image, image], ["a label that is much too long for so small a pane", ""])
    bar, empty = row[:20, :90], row[:20, 94:]
    assert (empty == empty[0, 0]).all()
    written = np.flatnonzero((bar != bar[0, 0]).any(axis=(0, 2)))
    assert written[0] >= 1
    assert written[-1] <= 88


def test_rows_that_cannot_be_are_refused() -> None:
    image, _ = scene()
    with pytest.raises(InputError, match="2 images and 1 labels"):
        side_by_side([image, image], ["one"])
    with pytest.raises(InputError, match="0 images"):
        side_by_side([], [])
    with pytest.raises(InputError, match="90x59, 90x60"):
        side_by_side([image, image[1:]], ["one", "two"])
