"""Shapes, sizes and properties of the networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import vos_kd
from vos_kd.config import PRESETS, NetworkConfig
from vos_kd.errors import InputError
from vos_kd.model import count_parameters
from vos_kd.modeling.fusing import FusedConv, can_fuse, fold_batch_norm, fuse_activations
from vos_kd.modeling.network import ObjectPrior, STMNetwork
from vos_kd.modeling.registry import build_model, get_config, list_models
from vos_kd.modeling.stff import coordinates

LIGHT = [name for name in PRESETS if name.startswith("student")]


def run(network: STMNetwork, objects: int = 2, batch: int = 1, size: tuple[int, int] = (64, 96)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    height, width = size
    image = torch.rand(batch, 3, height, width, generator=generator)
    scale = network.mask_stride
    masks = torch.rand(batch, objects, height // scale, width // scale, generator=generator)
    with torch.no_grad():
        features = network.encode_key(image)
        value = network.encode_value(image, features, masks)
        assert value.shape == (batch, objects, network.value_dim, height // 16, width // 16)
        assert features.key.shape == (batch, network.key_dim, height // 16, width // 16)
        return network.segment(features, value, ObjectPrior(value, masks))


@pytest.mark.parametrize("name", [*LIGHT, "teacher"])
def test_logits_have_stride_4_for_every_object(name: str) -> None:
    assert run(build_model(name), objects=3, batch=2).shape == (2, 3, 16, 24)


def test_the_student_is_within_its_parameters() -> None:
    assert count_parameters(build_model("student")) == 940_691
    assert count_parameters(build_model("student")) <= 1_350_000
    names = ("student_small", "student", "student_large", "teacher", "teacher_large")
    sizes = [count_parameters(build_model(name)) for name in names]
    assert sizes == sorted(sizes)
    assert sizes[-1] >= 20 * sizes[1]


def test_objects_do_not_depend_on_their_order() -> None:
    network = build_model("student_small")
    image, masks = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        features = network.encode_key(image)
        value = network.encode_value(image, features, masks)
        flipped = network.encode_value(image, features, masks.flip(1))
        torch.testing.assert_close(flipped, value.flip(1))
        logits = network.segment(features, value, ObjectPrior(value, masks))
        other = network.segment(features, flipped, ObjectPrior(flipped, masks.flip(1)))
    torch.testing.assert_close(other, logits.flip(1), rtol=1e-4, atol=1e-4)


def test_a_value_depends_on_the_other_objects() -> None:
    network = build_model("student_small")
    image, masks = torch.rand(1, 3, 64, 64), torch.rand(1, 2, 16, 16)
    with torch.no_grad():
        features = network.encode_key(image)
        both = network.encode_value(image, features, masks)[:, 0]
        alone = network.encode_value(image, features, masks[:, :1])[:, 0]
    assert not torch.allclose(both, alone)


def test_the_prior_matters_with_stff_and_not_without() -> None:
    image, masks = torch.rand(1, 3, 64, 64), torch.rand(1, 1, 16, 16)
    changed = {}
    for name in ("student", "student_no_stff"):
        network = build_model(name)
        with torch.no_grad():
            features = network.encode_key(image)
            value = network.encode_value(image, features, masks)
            one = network.segment(features, value, ObjectPrior(value, masks))
            two = network.segment(features, value, ObjectPrior(value, 1 - masks))
        changed[name] = not torch.equal(one, two)
    assert changed == {"student": True, "student_no_stff": False}
    with pytest.raises(ValueError, match="previous frame"), torch.no_grad():
        build_model("student").segment(features, value)


@pytest.mark.parametrize("name", ["student", "teacher"])
def test_folding_batch_norms_changes_nothing_but_their_number(name: str) -> None:
    torch.manual_seed(0)
    network = build_model(name)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    before = run(network)
    fold_batch_norm(network)
    assert not [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    torch.testing.assert_close(run(network), before, rtol=1e-3, atol=1e-4)


@pytest.mark.skipif(not can_fuse(), reason="this build of torch has no oneDNN")
@pytest.mark.parametrize(("name", "least"), [*((name, 20) for name in LIGHT), ("teacher", 5)])
def test_fusing_activations_changes_no_value(name: str, least: int) -> None:
    torch.manual_seed(0)
    network = build_model(name)
    fold_batch_norm(network)
    before = run(network)
    fuse_activations(network)
    assert sum(isinstance(module, FusedConv) for module in network.modules()) >= least
    torch.testing.assert_close(run(network), before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("supported", [True, False])
def test_bfloat16_is_fused_only_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch, supported: bool) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: supported)
    assert can_fuse(torch.bfloat16) == (supported and can_fuse())
    assert not can_fuse(torch.float16)


def test_bfloat16_runs_on_every_processor() -> None:
    model = vos_kd.load_model("student", device="cpu", dtype="bfloat16", random_weights=True)
    mask = np.zeros((64, 96), np.uint8)
    mask[10:40, 20:60] = 1
    image = np.full((64, 96, 3), 90, np.uint8)
    assert vos_kd.VideoSegmenter(model).step(image, mask).shape == (64, 96)


def test_names() -> None:
    assert {"stcn_r50", "teacher", "teacher_large", "student", "student_small", "student_large"} <= set(list_models())
    with pytest.raises(InputError, match=r"no model 'studnet'.*stcn_r50.*Did you mean 'student'"):
        get_config("studnet")


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match=r"NetworkConfig.key_dim is 0"):
        NetworkConfig(key_dim=0)
    with pytest.raises(InputError, match="three whole numbers"):
        NetworkConfig(decoder_widths=(1, 2))  # type: ignore[arg-type]


def test_positions_run_from_minus_one_to_one_x_first() -> None:
    found = coordinates(torch.zeros(2, 5, 3, 4, dtype=torch.float64))
    assert found.shape == (2, 2, 3, 4)
    assert found.dtype == torch.float64
    x, y = torch.linspace(-1, 1, 4), torch.linspace(-1, 1, 3)
    for image in found.float():
        assert torch.allclose(image[0], x.expand(3, 4))
        assert torch.allclose(image[1], y[:, None].expand(3, 4))
    assert coordinates(torch.zeros(1, 1, 1, 2))[0, 1].tolist() == [[-1, -1]]  # one row: no division by zero
