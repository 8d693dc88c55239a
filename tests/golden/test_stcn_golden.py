"""`STCN` computes what the published network computes.

`stcn_golden.npz` holds that network's own outputs (float32, CPU) for the weights and the clip of `stcn_weights.py`;
frames 0 and 2 are memorised, each query reads its best 20 positions. The figures are rounded to 2^-16, and of the
512-channel ones a part is kept (`CHANNEL_STEP`), so that the file stays small; agreement is asked to 1e-4.
"""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from vos_kd.config import PRESETS
from vos_kd.inference import VideoSegmenter
from vos_kd.model import Model
from vos_kd.modeling.aggregation import soft_aggregate
from vos_kd.modeling.memory import MemoryBank
from vos_kd.modeling.network import FrameFeatures
from vos_kd.modeling.stcn import STCN

HERE = Path(__file__).parent
MADE = runpy.run_path(str(HERE / "stcn_weights.py"))
FIGURES = (
    "key_0",
    "f16_thin_0",
    "value_0",
    "readout_1",
    "object_prob_1",
    "object_prob_2",
    "object_prob_3",
    "aggregated_3",
)
# ImageNet's, as the published code has them
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
CHANNEL_STEP = {"f16_thin_0": 2, "value_0": 4, "readout_1": 4}
OBJECT_IDS = (1, 2)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(HERE / "stcn_golden.npz", allow_pickle=False) as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def network() -> STCN:
    stcn = STCN().eval()
    entries = {
        name: torch.from_numpy(np.asarray(MADE["make_entry"](name, shape))) for name, shape in MADE["ENTRIES"].items()
    }
    stcn.load_state_dict(entries, strict=True)
    return stcn.requires_grad_(False)


@pytest.fixture(scope="module")
def frames() -> Tensor:
    """The clip as the network takes it: `[T, 3, H, W]` before normalisation."""
    return torch.from_numpy(MADE["make_clip"]()[0]) * STD + MEAN


@pytest.fixture(scope="module")
def outputs(network: STCN, frames: Tensor) -> dict[str, Tensor]:
    """Segment the clip, keeping what the stored figures show."""
    kept: dict[str, Tensor] = {}
    memory = MemoryBank(PRESETS["stcn_r50"].memory)

    def memorise(image: Tensor, features: FrameFeatures, masks: Tensor, is_given: bool) -> Tensor:
        values = network.encode_value(image, features, masks)[0]
        memory.add(features.key[0], None, dict(zip(OBJECT_IDS, values, strict=True)), is_given=is_given)
        return values

    first_masks = torch.from_numpy(MADE["make_clip"]()[1])[None]
    features = network.encode_key(frames[:1])
    kept["key_0"] = features.key
    kept["f16_thin_0"] = network.key_comp(features.f16)
    first_probs = soft_aggregate(first_masks).softmax(1)[:, 1:]
    kept["value_0"] = memorise(frames[:1], features, first_probs, is_given=True)
    for t in (1, 2, 3):
        image = frames[t : t + 1]
        features = network.encode_key(image)
        readout = memory.read(features.key[0], OBJECT_IDS)
        logits = network.segment(features, readout[None])
        object_probs = F.interpolate(logits, scale_factor=4, mode="bilinear", align_corners=False).sigmoid()
        aggregated = soft_aggregate(object_probs).softmax(1)
        kept[f"readout_{t}"] = readout
        kept[f"object_prob_{t}"] = object_probs[0]
        kept[f"aggregated_{t}"] = aggregated[0]
        if t == 2:
            memorise(image, features, aggregated[:, 1:], is_given=False)
    return kept


def test_entries_are_the_public_checkpoints(network: STCN) -> None:
    shapes = {name: list(value.shape) for name, value in network.state_dict().items()}
    assert shapes == MADE["ENTRIES"]
    assert len(shapes) == 405


def test_parameters(network: STCN) -> None:
    assert sum(p.numel() for p in network.parameters()) == 54_434_180


def test_every_stored_figure_is_compared(golden: dict[str, np.ndarray]) -> None:
    assert set(golden) == set(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_agrees_with_the_published_network(
    name: str, golden: dict[str, np.ndarray], outputs: dict[str, Tensor]
) -> None:
    own = outputs[name].numpy()
    if name in CHANNEL_STEP:
        own = own[:, :: CHANNEL_STEP[name]]
    assert own.shape == golden[name].shape
    np.testing.assert_allclose(own, golden[name], rtol=0, atol=1e-4)


def test_figures_tell_networks_apart(golden: dict[str, np.ndarray]) -> None:
    # The tolerance means something only against the figures' own spread, and against what changes between frames.
    assert min(figure.std() for figure in golden.values()) > 0.03
    assert np.abs(golden["object_prob_1"] - golden["object_prob_2"]).max() > 0.1


def test_normalises_images(network: STCN) -> None:
    seen: list[Tensor] = []
    hooks = [
        network.get_submodule(name).register_forward_pre_hook(lambda _, args: seen.append(args[0][:, :3]))
        for name in ("key_encoder.conv1", "value_encoder.conv1")
    ]
    image = torch.ones(1, 3, 32, 32)
    network.encode_value(image, network.encode_key(image), torch.zeros(1, 1, 32, 32))
    for hook in hooks:
        hook.remove()
    for normalised in seen:
        torch.testing.assert_close(normalised, ((1 - MEAN) / STD).expand(1, 3, 32, 32))
    assert len(seen) == 2


def test_padding_with_the_mean_colour_is_the_published_zero_padding(network: STCN) -> None:
    """The published code pads normalised images with zeros; a caller that pads RGB in 0-1 does it with the mean."""
    image = torch.rand(1, 3, 45, 64, generator=torch.Generator().manual_seed(0))
    before, after = 1, 2  # 45 -> 48, the odd pixel after
    mean = torch.tensor(network.image_mean).view(1, 3, 1, 1)
    padded = torch.cat([mean.expand(1, 3, before, 64), image, mean.expand(1, 3, after, 64)], dim=2)
    published = F.pad((image - MEAN) / STD, (0, 0, before, after))
    assert torch.equal(network.key_encoder.normalise(padded), published)


def test_frames_and_objects_of_a_batch_are_independent(network: STCN, frames: Tensor) -> None:
    images = frames[:2, :, :32, :48]
    generator = torch.Generator().manual_seed(1)
    masks = torch.rand(2, 3, 32, 48, generator=generator)
    features = network.encode_key(images)
    values = network.encode_value(images, features, masks)
    logits = network.segment(features, values)
    assert values.shape == (2, 3, 512, 2, 3)
    assert logits.shape == (2, 3, 8, 12)

    alone = network.encode_key(images[1:])
    swapped = [2, 0, 1]
    swapped_values = network.encode_value(images[1:], alone, masks[1:, swapped])
    torch.testing.assert_close(swapped_values, values[1:, swapped], rtol=0, atol=1e-5)
    torch.testing.assert_close(network.segment(alone, swapped_values), logits[1:, swapped], rtol=0, atol=1e-5)
    torch.testing.assert_close(network.segment(alone, values[1:, 1:2]), logits[1:, 1:2], rtol=0, atol=1e-5)
    assert (logits[:, 0] - logits[:, 1]).abs().max() > 1e-3


def test_operations_are_the_published_ones() -> None:
    """GFLOPs at 480x864, one object: key with its compressed feature 71.4, decoder 217.0 - 18.1, value 85.6."""
    with torch.device("meta"):
        stcn = STCN().eval()
        image, mask, readout = torch.empty(1, 3, 480, 864), torch.empty(1, 1, 480, 864), torch.empty(1, 1, 512, 30, 54)
    gflops = {}
    with torch.no_grad():
        with FlopCounterMode(display=False) as counter:
            features = stcn.encode_key(image)
        gflops["key"] = counter.get_total_flops() / 1e9
        with FlopCounterMode(display=False) as counter:
            stcn.encode_value(image, features, mask)
        gflops["value"] = counter.get_total_flops() / 1e9
        with FlopCounterMode(display=False) as counter:
            stcn.segment(features, readout)
        gflops["segment"] = counter.get_total_flops() / 1e9
    compressed = 2 * 9 * 1024 * 512 * 30 * 54 / 1e9  # here part of `segment`
    assert gflops["key"] + compressed == pytest.approx(71.4, abs=0.06)
    assert gflops["segment"] - compressed == pytest.approx(217.0 - 18.1, abs=0.1)
    assert gflops["value"] == pytest.approx(85.6, abs=0.06)


def test_the_whole_path_agrees_too(network: STCN, frames: Tensor, golden: dict[str, np.ndarray]) -> None:
    """The same clip through `VideoSegmenter`, which decides by itself what to memorise and how to pad and enlarge."""
    seen: list[Tensor] = []

    class Watched(VideoSegmenter):
        def look(self, frame: Tensor) -> tuple[FrameFeatures, Tensor]:
            features, probs = super().look(frame)
            seen.append(probs)
            return features, probs

    config = PRESETS["stcn_r50"]
    model = Model(config, network, torch.device("cpu"), torch.float32, 54_434_180, None)
    segmenter = Watched(model, memory=replace(config.memory, memory_interval=2))
    masks = MADE["make_clip"]()[1]
    given = (masks * np.array([1, 2]).reshape(2, 1, 1)).sum(0).astype(np.uint8)
    got = [segmenter.step(frame, given if t == 0 else None) for t, frame in enumerate(frames)]
    for t in (1, 2, 3):
        np.testing.assert_allclose(seen[t].numpy(), golden[f"object_prob_{t}"], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(got[0], given)
    best = np.sort(golden["aggregated_3"].squeeze(), axis=0)
    is_sure = best[-1] - best[-2] > 1e-3
    np.testing.assert_array_equal(got[3][is_sure], golden["aggregated_3"].squeeze().argmax(0)[is_sure])
    assert is_sure.mean() > 0.5  # random weights leave many pixels undecided
