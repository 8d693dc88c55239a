"""The light image encoders are timm's networks, cut at stride 16."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from vos_kd.config import BACKBONES
from vos_kd.modeling.backbones.mobile import PLANS, MobileBackbone, divisible

timm = pytest.importorskip("timm")


def test_every_encoder_of_a_configuration_can_be_built() -> None:
    assert {*BACKBONES} == {*PLANS, "tiny_vit_sam"}


class TimmBackbone(nn.Module):
    """A whole timm network, cut by what it says of itself."""

    def __init__(self, name: str) -> None:
        super().__init__()
        # The epsilon is what EfficientNet-Lite's published weights were trained with.
        full = timm.create_model(name, **({"bn_eps": 1e-3} if "lite" in name else {}))
        self.stem = nn.Sequential(full.conv_stem, full.bn1)
        module = {info["reduction"]: info["module"] for info in full.feature_info}  # the last one of each
        bounds = (0, *(int(module[stride].removeprefix("blocks.")) + 1 for stride in (4, 8, 16)))
        self.stages = nn.ModuleList(nn.Sequential(*full.blocks[a:b]) for a, b in itertools.pairwise(bounds))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x = self.stem(image)
        f4 = self.stages[0](x)
        f8 = self.stages[1](f4)
        return f4, f8, self.stages[2](f8)


@pytest.mark.parametrize("name", sorted(PLANS))
def test_features_equal_timms(name: str) -> None:
    """Same names, same weights, same statistics: the same numbers to the last bit."""
    torch.manual_seed(0)
    theirs, ours = TimmBackbone(name).eval(), MobileBackbone(name).eval()
    state = theirs.state_dict()
    for entry, value in state.items():
        if entry.split(".")[-1] in ("running_mean", "running_var"):
            value.uniform_(0.1, 0.5)
    ours.load_state_dict(state)  # strict: names and shapes are the same, too
    image = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        for got, expected in zip(ours(image), theirs(ours.normalise(image)), strict=True):
            assert expected.std() > 0
            torch.testing.assert_close(got, expected, rtol=0, atol=0)
    assert [feature.shape[1] for feature in ours(image)] == [*ours.channels]


@pytest.mark.parametrize("name", sorted(PLANS))
def test_training_starts_from_as_large_weights_as_timms(name: str) -> None:
    torch.manual_seed(0)
    theirs, ours = TimmBackbone(name).state_dict(), MobileBackbone(name).state_dict()
    for entry, expected in theirs.items():
        if expected.numel() > 400 and entry.endswith("weight"):
            assert ours[entry].std().item() == pytest.approx(expected.std().item(), rel=0.2), entry


def test_channels_are_multiples_of_eight_and_hardly_fewer_than_asked() -> None:
    assert [divisible(x) for x in (1, 18, 19, 19.9, 24 * 3.67, 112 * 1.1)] == [8, 24, 24, 24, 88, 120]
