"""`VideoSegmenter` with a network whose answers are known: it finds objects by colour."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vos_kd.config import MemoryConfig, ModelConfig
from vos_kd.errors import InputError
from vos_kd.inference import VideoSegmenter
from vos_kd.model import Model
from vos_kd.modeling.network import FrameFeatures, ObjectPrior, STMNetwork


class ColourNetwork(STMNetwork):
    """Keys are mean colours; a value is the mask at stride 16; logits say where the readout is above a half."""

    key_dim = 3
    value_dim = 1
    mask_stride = 4
    image_mean = (0.0, 0.0, 0.0)

    def __init__(self) -> None:
        super().__init__()
        self.encoded_values = 0

    def encode_key(self, image: Tensor) -> FrameFeatures:
        key = nn.functional.avg_pool2d(image, 16) * 60  # far apart, so that the softmax picks the nearest colour
        return FrameFeatures(key, None, key, key, key)

    def encode_value(self, image: Tensor, features: FrameFeatures, masks: Tensor) -> Tensor:
        self.encoded_values += 1
        return nn.functional.avg_pool2d(masks, 4).unsqueeze(2)

    def segment(self, features: FrameFeatures, readout: Tensor, prior: ObjectPrior | None = None) -> Tensor:
        logits = 20 * (readout.squeeze(2) - 0.5)
        return logits.repeat_interleave(4, -1).repeat_interleave(4, -2)


def model(network: STMNetwork | None = None, **memory: object) -> Model:
    config = ModelConfig("colour", memory=MemoryConfig(**memory))  # type: ignore[arg-type]
    return Model(config, network or ColourNetwork(), torch.device("cpu"), torch.float32, 0, None)


COLOURS = {1: (250, 0, 0), 2: (0, 250, 0), 7: (0, 0, 250), 200: (250, 250, 0)}


def frame(places: dict[int, int], height: int = 64, width: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """A frame with squares of 32 pixels in the objects' colours at given x, and its mask."""
    image = np.full((height, width, 3), 120, np.uint8)
    mask = np.zeros((height, width), np.uint8)
    for object_id, x in places.items():
        image[16:48, x : x + 32] = COLOURS[object_id]
        mask[16:48, x : x + 32] = object_id
    return image, mask


def iou(a: np.ndarray, b: np.ndarray, object_id: int) -> float:
    both = ((a == object_id) & (b == object_id)).sum()
    either = ((a == object_id) | (b == object_id)).sum()
    return float(both / either)


def test_objects_are_followed_under_their_own_ids() -> None:
    segmenter = VideoSegmenter(model())
    first, mask = frame({200: 0, 7: 64})
    np.testing.assert_array_equal(segmenter.step(first, mask), mask)
    later, truth = frame({200: 32, 7: 96})
    got = segmenter.step(later)
    assert set(np.unique(got)) == {0, 7, 200}
    assert iou(got, truth, 7) > 0.85
    assert iou(got, truth, 200) > 0.85
    assert segmenter.object_ids == [7, 200]


def test_objects_join_at_any_frame_and_the_others_go_on() -> None:
    segmenter = VideoSegmenter(model())
    segmenter.step(*frame({1: 0}))
    image, mask = frame({1: 32, 2: 96})
    given = np.where(mask == 2, mask, 0).astype(np.uint8)
    got = segmenter.step(image, given)
    np.testing.assert_array_equal(got == 2, mask == 2)
    assert iou(got, mask, 1) > 0.85
    image, truth = frame({1: 64, 2: 0})
    got = segmenter.step(image)
    assert iou(got, truth, 1) > 0.85
    assert iou(got, truth, 2) > 0.85


def test_a_correction_is_returned_exactly_and_remembered() -> None:
    segmenter = VideoSegmenter(model())
    segmenter.step(*frame({1: 0}))
    # The object turns green: nothing in memory is like it, until it is corrected.
    image, mask = frame({2: 64})
    mask = np.where(mask == 2, 1, 0).astype(np.uint8)
    np.testing.assert_array_equal(segmenter.step(image, mask), mask)
    image, truth = frame({2: 32})
    assert iou(segmenter.step(image), np.where(truth == 2, 1, 0), 1) > 0.85


def test_any_number_of_objects_is_found_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first, mask = frame({200: 0, 7: 48, 1: 96})
    later, _ = frame({7: 0, 1: 40, 200: 88})
    results = []
    for at_once in (8, 2, 1):
        monkeypatch.setattr("vos_kd.inference.AT_ONCE", at_once)
        monkeypatch.setattr("vos_kd.geometry.AT_ONCE", at_once)
        segmenter = VideoSegmenter(model())
        segmenter.step(first, mask)
        results.append(segmenter.step(later))
    assert set(np.unique(results[0])) == {0, 1, 7, 200}
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_an_object_said_to_be_out_of_sight_is() -> None:
    segmenter = VideoSegmenter(model())
    segmenter.step(*frame({1: 0, 2: 64}))
    image, truth = frame({1: 32, 2: 96})
    got = segmenter.step(image, np.zeros_like(truth), object_ids=[2])
    assert 2 not in got
    assert iou(got, truth, 1) > 0.85


def test_what_looks_like_the_object_far_from_it_is_not_taken_for_it() -> None:
    first, mask = frame({1: 0}, width=256)
    later, truth = frame({1: 16}, width=256)
    later[16:48, 192:224] = COLOURS[1]
    segmenter = VideoSegmenter(model(reach=0.1))
    segmenter.step(first, mask)
    assert iou(segmenter.step(later), truth, 1) > 0.85
    anywhere = VideoSegmenter(model(reach=None))
    anywhere.step(first, mask)
    assert (anywhere.step(later)[16:48, 192:224] == 1).mean() > 0.9


def test_where_the_object_was_is_where_it_was_last() -> None:
    segmenter = VideoSegmenter(model(reach=0.1))
    segmenter.step(*frame({1: 0}, width=256))
    segmenter.step(frame({1: 192}, width=256)[0])  # jumps: one piece, kept
    image, truth = frame({1: 192}, width=256)
    image[16:48, 0:32] = COLOURS[1]
    assert iou(segmenter.step(image), truth, 1) > 0.85


def test_distractors_are_told_of_the_right_object_after_another_was_dropped() -> None:
    segmenter = VideoSegmenter(model(reach=0.1))
    segmenter.step(*frame({1: 0, 2: 192}, width=256))
    segmenter.drop(1)
    image, truth = frame({2: 192}, width=256)
    image[16:48, 0:32] = COLOURS[2]
    assert iou(segmenter.step(image), truth, 2) > 0.85


def test_a_dropped_object_is_never_returned_again() -> None:
    segmenter = VideoSegmenter(model())
    segmenter.step(*frame({1: 0, 2: 64}))
    segmenter.drop(1)
    image, truth = frame({1: 64, 2: 0})
    got = segmenter.step(image)
    assert set(np.unique(got)) == {0, 2}
    assert iou(got, truth, 2) > 0.85
    segmenter.drop(2)
    assert not segmenter.step(image).any()
    with pytest.raises(InputError, match="object 2 is not followed; the objects are none"):
        segmenter.drop(2)


def test_void_is_nobody() -> None:
    image, mask = frame({1: 0})
    mask[0:8] = 255
    assert set(np.unique(VideoSegmenter(model()).step(image, mask))) == {0, 1}


def test_nothing_is_followed_before_a_mask_is_given() -> None:
    network = ColourNetwork()
    segmenter = VideoSegmenter(model(network))
    for _ in range(3):
        assert not segmenter.step(frame({1: 0})[0]).any()
    assert network.encoded_values == 0
    segmenter.step(*frame({1: 32}))
    assert segmenter.frame_index == 3
    assert iou(segmenter.step(frame({1: 64})[0]), frame({1: 64})[1], 1) > 0.85


def test_values_are_encoded_at_the_memory_interval_and_the_memory_stays_bounded() -> None:
    network = ColourNetwork()
    segmenter = VideoSegmenter(model(network, memory_interval=4, max_recent=2))
    segmenter.step(*frame({1: 0}))
    for _ in range(40):
        segmenter.step(frame({1: 32})[0])
    assert network.encoded_values == 1 + 10
    assert len(segmenter.memory) == 3


def test_the_newest_memory_frame_is_the_one_before_when_asked() -> None:
    segmenter = VideoSegmenter(model(memory_interval=100, keep_previous=True, max_recent=2))
    segmenter.step(*frame({1: 0}))
    for red in range(250, 100, -10):  # the colour drifts away from the first frame's
        image, truth = frame({1: 32})
        image[truth == 1] = (red, 0, 250 - red)
        got = segmenter.step(image)
        assert iou(got, truth, 1) > 0.85
        assert len(segmenter.memory) == 2


def test_clip_iterator_equals_steps() -> None:
    frames = [frame({1: 8 * n, 2: 64})[0] for n in range(5)]
    first = frame({1: 0, 2: 64})[1]
    by_step = VideoSegmenter(model())
    expected = [by_step.step(image, first if n == 0 else None) for n, image in enumerate(frames)]
    for got, want in zip(VideoSegmenter(model()).segment(iter(frames), {0: first}), expected, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("size", [(1, 1), (15, 17), (33, 70), (64, 128)])
def test_any_size_works_and_comes_back(size: tuple[int, int]) -> None:
    segmenter = VideoSegmenter(model(), short_side=48)
    image = np.zeros((*size, 3), np.uint8)
    mask = np.ones(size, np.uint8)
    np.testing.assert_array_equal(segmenter.step(image, mask), mask)
    got = segmenter.step(image)
    assert got.shape == size
    assert got.dtype == np.uint8


@pytest.mark.parametrize(("asked", "height"), [(None, 48), (32, 32), (0, 64), (100, 64)])
def test_larger_frames_are_segmented_at_the_models_own_size(asked: int | None, height: int) -> None:
    own = replace(model(), config=replace(model().config, short_side=48))
    segmenter = VideoSegmenter(own, short_side=asked)
    segmenter.step(*frame({1: 0}))
    assert segmenter._geometry is not None
    assert segmenter._geometry.working_height == height
    assert segmenter.step(frame({1: 0})[0]).shape == (64, 128)


def test_bad_input_is_named() -> None:
    segmenter = VideoSegmenter(model())
    image, mask = frame({1: 0})
    with pytest.raises(InputError, match=r"frame 0 is ndarray float64 of shape \(64, 128, 3\); expected RGB"):
        segmenter.step(image.astype(float), mask)
    with pytest.raises(InputError, match=r"frame 0 is ndarray uint8 of shape \(64, 128\)"):
        segmenter.step(image[..., 0], mask)
    with pytest.raises(InputError, match="the mask of frame 0"):
        segmenter.step(image, mask[:32])
    with pytest.raises(InputError, match="the mask of frame 0 is int64; expected uint8"):
        segmenter.step(image, mask.astype(np.int64))
    with pytest.raises(InputError, match="speaks for object 255; ids are 1 to 254"):
        segmenter.step(image, mask, object_ids=[255])
    with pytest.raises(InputError, match="object_ids were named without masks"):
        segmenter.step(image, None, object_ids=[1])
    assert segmenter.frame_index == -1  # nothing of this counted as a frame
    segmenter.step(image, mask)
    with pytest.raises(InputError, match="frame 1 is 128x32 but the video began with 128x64"):
        segmenter.step(image[:32])
    with pytest.raises(InputError, match="short_side is 8"):
        VideoSegmenter(model(), short_side=8)


class PriorNetwork(ColourNetwork):
    """Follows nothing but the prior: an object is where it was in the frame before."""

    uses_prior = True

    def segment(self, features: FrameFeatures, readout: Tensor, prior: ObjectPrior | None = None) -> Tensor:
        assert prior is not None
        assert prior.mask.shape[1] == prior.value.shape[1] == readout.shape[1]
        return 20 * (prior.mask - 0.5)


def test_the_prior_is_the_frame_before_and_follows_joins_and_drops() -> None:
    segmenter = VideoSegmenter(model(PriorNetwork()))
    first, mask = frame({1: 0, 2: 64})
    segmenter.step(first, mask)
    assert min(iou(segmenter.step(first), mask, i) for i in (1, 2)) > 0.95
    _, joined = frame({7: 96})
    segmenter.step(first, joined)
    got = segmenter.step(first)
    assert iou(got, joined, 7) > 0.95
    assert iou(got, mask, 1) > 0.95
    segmenter.drop(1)
    got = segmenter.step(first)
    assert set(np.unique(got)) == {0, 2, 7}
    assert iou(got, joined, 7) > 0.95
    _, moved = frame({2: 32})
    segmenter.step(first, moved)
    assert iou(segmenter.step(first), moved, 2) > 0.95


def test_void_in_a_correction_leaves_the_prediction() -> None:
    segmenter = VideoSegmenter(model())
    segmenter.step(*frame({1: 0, 2: 64}))
    image, truth = frame({1: 32, 2: 96})
    correction = np.full_like(truth, 255)
    correction[:16] = 0
    got = segmenter.step(image, correction, object_ids=[1])
    assert iou(got, truth, 1) > 0.85
    assert iou(got, truth, 2) > 0.85
    assert iou(segmenter.step(image), truth, 1) > 0.85  # and is remembered so


def test_what_was_predicted_is_not_kept_as_given() -> None:
    segmenter = VideoSegmenter(model(memory_interval=2, max_recent=2))
    segmenter.step(*frame({1: 0}))
    for x in (32, 64):
        segmenter.step(frame({1: x})[0])
    image, mask = frame({1: 64, 2: 0})
    segmenter.step(image, np.where(mask == 2, mask, 0).astype(np.uint8))
    assert [sorted(f.values) for f in segmenter.memory.given] == [[1], [2]]
    segmenter.step(image)
    assert [sorted(f.values) for f in segmenter.memory.recent] == [[1], [1, 2]]


def test_arrays_of_any_layout_and_tensors_are_taken() -> None:
    image, mask = frame({1: 0, 2: 64})
    expected = VideoSegmenter(model()).step(image, mask)
    flipped = np.ascontiguousarray(image[:, ::-1])[:, ::-1]
    read_only = mask.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(VideoSegmenter(model()).step(flipped, mask[:, ::-1][:, ::-1]), expected)
    np.testing.assert_array_equal(VideoSegmenter(model()).step(image, read_only), expected)
    as_tensor = torch.from_numpy(image).permute(2, 0, 1)
    np.testing.assert_array_equal(VideoSegmenter(model()).step(as_tensor, torch.from_numpy(mask)), expected)
    with pytest.raises(InputError, match="frame 0 has values that are not finite"):
        VideoSegmenter(model()).step(as_tensor.float() / 0, mask)


def test_a_black_and_white_mask_is_not_taken_for_void() -> None:
    image, mask = frame({1: 0})
    with pytest.raises(InputError, match=r"holds 0 and 255 alone.*vos_kd.read_mask"):
        VideoSegmenter(model()).step(image, mask * 255)


def test_a_refused_first_call_does_not_settle_the_videos_size() -> None:
    segmenter = VideoSegmenter(model())
    image, mask = frame({1: 0})
    with pytest.raises(InputError, match="expected equal sizes"):
        segmenter.step(image[:32], mask)
    np.testing.assert_array_equal(segmenter.step(image, mask), mask)


@pytest.mark.parametrize("image", [None, [[1, 2, 3]], "frame.png"])
def test_what_is_no_array_is_named(image: object) -> None:
    with pytest.raises(InputError, match=f"frame 0 is a {type(image).__name__}; expected RGB"):
        VideoSegmenter(model()).step(image)  # type: ignore[arg-type]
