"""Prompts: what is said of objects, undone, written down, and made a mask of."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vos_kd.errors import InputError
from vos_kd.prompts import (
    MAX_OBJECTS,
    Box,
    Click,
    MaskPrompt,
    PackedMask,
    PromptHistory,
    Scribble,
    from_entries,
    from_json,
    render,
    to_json,
)
from vos_kd.prompts.grabcut import grabcut
from vos_kd.prompts.hints import BACKGROUND, FOREGROUND, Hints, gather
from vos_kd.prompts.history import MAX_NAME, MAX_PROMPTS

HEIGHT, WIDTH = 80, 120


@pytest.fixture
def disk() -> tuple[np.ndarray, np.ndarray]:
    """A noisy red disk on noisy green, RGB, and where it is."""
    rng = np.random.default_rng(0)
    where = cv2.circle(np.zeros((HEIGHT, WIDTH), np.uint8), (60, 40), 20, 1, -1) > 0
    image = np.where(where[..., None], (200, 40, 40), (40, 160, 60)) + rng.normal(0, 12, (HEIGHT, WIDTH, 3))
    return image.clip(0, 255).astype(np.uint8), where


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


def painted(top: int, left: int, bottom: int, right: int) -> PackedMask:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top:bottom, left:right] = True
    return PackedMask.pack(mask)


# --- what a prompt is


def test_a_packed_mask_comes_back_and_equals_its_like() -> None:
    mask = np.random.default_rng(1).integers(0, 3, (7, 11)).astype(np.uint8)
    assert np.array_equal(PackedMask.pack(mask).unpack(), mask)
    assert PackedMask.pack(mask) == PackedMask.pack(mask.copy())


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (PackedMask(4, 4, b"no zlib"), "damaged"),
        (PackedMask(4, 5, PackedMask.pack(np.ones((4, 4), bool)).data), "another number of pixels"),
        (PackedMask(3, 4, PackedMask.pack(np.ones((4, 4), bool)).data), "another number of pixels"),
        (PackedMask(2**20, 2**20, b""), "expected 1 to"),
        (PackedMask(-4, -4, b""), "expected 1 to"),
    ],
)
def test_a_packed_mask_from_anywhere_is_not_trusted(packed: PackedMask, message: str) -> None:
    with pytest.raises(InputError, match=message):
        packed.unpack()


def test_a_box_takes_any_two_corners_and_owns_both() -> None:
    assert Box(1, 0, 30, 20, 10, 60).bounds == Box(1, 0, 10, 60, 30, 20).bounds == (10, 20, 31, 61)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Box(1, 0, 5, 5, 5, 9), "no area"),
        (lambda: Box(0, 0, 1, 1, 5, 9), "object id is '0'"),
        (lambda: Box(255, 0, 1, 1, 5, 9), "object id is '255'"),
        (lambda: Click(1, -1, 3, 3, True), "frame is '-1'"),
        (lambda: Click(1, 0, cast(Any, 1.5), 3, True), "x is '1.5'"),
        (lambda: Click(1, 0, 2, 3, cast(Any, 1)), "expected true or false"),
        (lambda: Scribble(1, 0, painted(0, 0, 0, 0), True), "scribble is empty"),
        (lambda: MaskPrompt(0, painted(0, 0, 0, 0)), "shows no object"),
        (lambda: PackedMask.pack(np.zeros((2, 2), np.float32)), "float32"),
    ],
)
def test_what_makes_no_sense_is_no_prompt(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


# --- history


def test_undo_and_redo_walk_over_add_clear_rename_and_remove() -> None:
    a, b = Click(1, 0, 5, 5, True), Click(2, 3, 6, 6, True)
    history = PromptHistory().add(a).add(b).rename(2, " ball ").remove_object(1).clear()
    assert history.prompts == ()
    history = history.undo()
    assert (history.prompts, history.names) == ((b,), {2: "ball"})
    history = history.undo()
    assert (history.prompts, history.frames, history.at(3)) == ((a, b), (0, 3), (b,))
    assert history.undo().names == {1: "object 1", 2: "object 2"}
    assert history.redo().prompts == (b,)
    assert not history.undo().undo().undo().can_undo
    assert PromptHistory().undo() == PromptHistory()


def test_what_follows_an_undo_replaces_what_could_be_redone() -> None:
    a, b, c = (Click(1, 0, x, 5, True) for x in (1, 2, 3))
    history = PromptHistory().add(a).add(b).undo().add(c)
    assert history.prompts == (a, c)
    assert not history.can_redo
    assert history.redo() == history


def test_removing_an_object_takes_it_out_of_masks_too() -> None:
    mask = np.zeros((4, 4), np.uint8)
    mask[0], mask[1] = 1, 2
    history = PromptHistory().add(MaskPrompt(0, PackedMask.pack(mask))).remove_object(1)
    assert history.object_ids == (2,)
    assert history.prompts == (MaskPrompt(0, PackedMask.pack(np.where(mask == 2, mask, 0))),)
    assert history.remove_object(2).prompts == ()
    assert history.remove_object(9) is history


def test_objects_are_counted() -> None:
    history = PromptHistory()
    for i in range(1, MAX_OBJECTS + 1):
        history = history.add(Click(i, 0, 1, 1, True))
    with pytest.raises(InputError, match=f"{MAX_OBJECTS + 1} objects; at most {MAX_OBJECTS}"):
        history.add(Click(MAX_OBJECTS + 1, 0, 1, 1, True))


def test_prompts_are_limited() -> None:
    history = PromptHistory()
    for _ in range(MAX_PROMPTS):
        history = history.add(Click(1, 0, 1, 1, True))
    with pytest.raises(InputError, match=f"there are {MAX_PROMPTS} prompts"):
        history.add(Click(1, 0, 1, 1, True))


@pytest.mark.parametrize("name", ["x" * (MAX_NAME + 1), "two\nlines", "\u202egnp.exe"])
def test_names_that_cannot_be_shown_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot be used"):
        PromptHistory().add(Click(1, 0, 1, 1, True)).rename(1, name)


# --- as text


PROMPTS = st.one_of(
    st.builds(Click, st.integers(1, 5), st.integers(0, 9), st.integers(0, 99), st.integers(0, 99), st.booleans()),
    st.builds(lambda i, x, y: Box(i, 0, x, y, x + 3, y + 2), st.integers(1, 5), st.integers(0, 9), st.integers(0, 9)),
    st.builds(lambda i, t: Scribble(i, 1, painted(t, 2, t + 2, 9), True), st.integers(1, 5), st.integers(0, 50)),
)


@given(st.lists(PROMPTS, max_size=8), st.integers(0, 8))
def test_a_history_survives_being_written_down(prompts: list, undone: int) -> None:
    history = PromptHistory()
    for prompt in prompts:
        history = history.add(prompt)
    for _ in range(undone):
        history = history.undo()
    assert from_json(to_json(history)) == history


def test_a_bare_list_of_prompts_is_enough_for_a_person() -> None:
    entry = {"kind": "box", "object": 1, "frame": 0, "x0": 2, "y0": 3, "x1": 9, "y1": 8}
    assert from_entries([entry]).prompts == (Box(1, 0, 2, 3, 9, 8),)


def _changed(**changes: object) -> str:
    history = PromptHistory().add(Click(1, 0, 4, 5, True))
    return json.dumps({**json.loads(to_json(history)), **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no JSON"),
        ("[]", "not of the format"),
        ("[" * 100_000, "no JSON"),
        (_changed(format="other/1"), "not of the format"),
        (_changed(present=7), "present step is '7'"),
        (_changed(steps=[]), "list of 1 to"),
        (_changed(prompts=[{"kind": "spell"}]), "no prompt of kind 'spell'"),
        (_changed(prompts=[{"kind": "click", "object": 1}]), "cannot be read"),
        (_changed(steps=[{"prompts": [4], "names": {}}], present=0), "not there"),
        (_changed(steps=[{"prompts": [0], "names": {"2": "x"}}], present=0), "not there"),
    ],
)
def test_text_from_anywhere_is_not_trusted(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_json(text)


# --- from prompts to a mask


def test_a_box_finds_the_object_in_it(disk: tuple[np.ndarray, np.ndarray]) -> None:
    image, where = disk
    mask = render(image, [Box(3, 0, 36, 16, 84, 64)])
    assert set(np.unique(mask)) == {0, 3}
    assert iou(mask == 3, where) > 0.9


def test_a_click_finds_it_too_and_a_second_takes_its_surroundings_off(disk: tuple[np.ndarray, np.ndarray]) -> None:
    image, where = disk
    clicks = [Click(1, 0, 60, 40, True), Click(1, 0, 8, 8, False)]
    assert iou(render(image, clicks) == 1, where) > 0.85


def test_one_click_finds_what_its_surroundings_are_not_like() -> None:
    rng = np.random.default_rng(3)
    tiles = rng.integers(30, 226, (HEIGHT // 8, WIDTH // 8, 3)).repeat(8, 0).repeat(8, 1)
    where = cv2.circle(np.zeros((HEIGHT, WIDTH), np.uint8), (60, 40), 14, 1, -1) > 0
    image = np.where(where[..., None], (200, 40, 40), tiles) + rng.normal(0, 8, (HEIGHT, WIDTH, 3))
    mask = render(image.clip(0, 255).astype(np.uint8), [Click(1, 0, 60, 40, True)])
    assert iou(mask == 1, where) > 0.9


def test_a_box_around_nothing_but_one_colour_still_says_something() -> None:
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    mask = render(image, [Box(1, 0, 30, 20, 70, 60)])
    assert mask[:15].max() == 0
    assert np.array_equal(mask, render(image, [Box(1, 0, 30, 20, 70, 60)]))


def test_what_is_painted_is_never_overruled(disk: tuple[np.ndarray, np.ndarray]) -> None:
    image, _ = disk
    corner, middle = painted(0, 0, 6, 6), painted(35, 55, 45, 65)
    mask = render(image, [Box(1, 0, 36, 16, 84, 64), Scribble(1, 0, corner, True), Scribble(1, 0, middle, False)])
    assert (mask[:6, :6] == 1).all()
    assert not mask[35:45, 55:65].any()


def test_a_mask_is_taken_as_it_is_until_it_is_corrected(disk: tuple[np.ndarray, np.ndarray]) -> None:
    image, _ = disk
    given = np.zeros((HEIGHT, WIDTH), np.uint8)
    given[5:20, 5:20], given[5:20, 30:40] = 1, 2
    prompt = MaskPrompt(0, PackedMask.pack(given))
    assert np.array_equal(render(image, [prompt]), given)
    corrected = render(image, [prompt, Scribble(1, 0, painted(5, 5, 10, 20), False)])
    assert np.array_equal(corrected == 2, given == 2)
    assert not (corrected[5:10, 5:20] == 1).any()


def test_of_two_objects_the_small_one_lies_in_front_and_the_last_one_wins_else() -> None:
    def fill(image: np.ndarray, hints: Hints) -> np.ndarray:
        left, top, right, bottom = hints.box or (0, 0, 0, 0)
        mask = np.zeros(image.shape[:2], bool)
        mask[top:bottom, left:right] = True
        return mask

    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    small, large = Box(1, 0, 40, 30, 59, 49), Box(2, 0, 0, 0, 79, 79)
    assert (render(image, [small, large], fill)[30:50, 40:60] == 1).all()
    left, right = Box(1, 0, 0, 0, 49, 49), Box(2, 0, 40, 0, 99, 49)
    assert (render(image, [left, right], fill)[:50, 40:50] == 2).all()
    assert (render(image, [right, left], fill)[:50, 40:50] == 1).all()


def test_what_shows_one_object_shows_no_other() -> None:
    found = gather(HEIGHT, WIDTH, [Click(1, 0, 50, 40, True), Click(2, 0, 20, 20, True), Click(1, 0, 5, 70, False)])
    assert list(found) == [2, 1]
    assert (found[1].sure[40, 50], found[1].sure[20, 20], found[1].sure[70, 5]) == (FOREGROUND, BACKGROUND, BACKGROUND)
    assert (found[2].sure[40, 50], found[2].sure[20, 20], found[2].sure[70, 5]) == (BACKGROUND, FOREGROUND, 0)
    assert found[1].clicks == ((50, 40, True), (5, 70, False))


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ([Click(1, 0, WIDTH, 4, True)], r"click at \(120, 4\) lies outside the frame; expected x from 0 to 119"),
        ([Box(1, 0, 300, 300, 400, 400)], "lies outside the frame of 120x80"),
        ([MaskPrompt(0, PackedMask.pack(np.ones((4, 4), bool)))], "4x4"),
        ([Click(1, 0, 1, 1, True), Click(1, 1, 1, 1, True)], "several frames"),
    ],
)
def test_prompts_that_do_not_fit_the_frame_are_refused(prompts: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        render(np.zeros((HEIGHT, WIDTH, 3), np.uint8), prompts)


def test_grabcut_only_told_where_the_object_is_not_finds_none(disk: tuple[np.ndarray, np.ndarray]) -> None:
    image, _ = disk
    hints = Hints(np.full((HEIGHT, WIDTH), BACKGROUND, np.uint8))
    assert not grabcut(image, hints).any()
