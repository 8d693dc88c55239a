"""Losses at their known points, the adaptive rate, the train-time parts, and where gradients go."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from vos_kd.config import MemoryConfig, ModelConfig, NetworkConfig
from vos_kd.data.clips import ClipBatch
from vos_kd.distill import losses
from vos_kd.distill.adaptive_lr import PLAIN, AdaptiveRate, AdaptiveRateConfig, gap, rates
from vos_kd.distill.discriminator import Discriminator
from vos_kd.distill.ema import Ema
from vos_kd.distill.rollout import rollout
from vos_kd.distill.smooth_block import SmoothBlock
from vos_kd.distill.task import DistillConfig, OnlineDistillation
from vos_kd.errors import InputError
from vos_kd.inference import VideoSegmenter
from vos_kd.model import prepare_model
from vos_kd.modeling.aggregation import soft_aggregate
from vos_kd.modeling.stm import STM

TINY = NetworkConfig(
    backbone="mobilenetv3_small_100", key_dim=8, value_dim=12, frame_dim=8, value_width=16, decoder_widths=(16, 12, 8)
)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def batch(seed: int = 0, size: int = 48) -> ClipBatch:
    """Two clips of three frames; the second has one object fewer and some void."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (2, 3, 3, size, size), dtype=torch.uint8, generator=generator)
    masks = torch.zeros(2, 3, 2, size, size, dtype=torch.bool)
    masks[:, :, 0, 4:24, 4:24] = True
    masks[0, :, 1, 28:44, 20:44] = True
    valid = torch.ones(2, 3, size, size, dtype=torch.bool)
    valid[1, :, :, 40:] = False
    return ClipBatch(images, masks, valid, torch.tensor([[True, True], [True, False]]))


# Losses


def test_losses_are_zero_for_equal_inputs() -> None:
    logits, unit = random(2, 3, 8, 8), torch.nn.functional.normalize(random(2, 6, 4, 4), dim=1)
    assert float(losses.logit_distillation(logits, logits, torch.ones(2, 8, 8), 2.0)) == pytest.approx(0, abs=1e-6)
    rows = random(2, 5, 7).softmax(-1)
    assert float(losses.affinity_distillation(rows, rows, torch.ones(2, 5))) == pytest.approx(0, abs=1e-6)
    assert float(losses.feature_distillation(unit, unit, torch.ones(2, 4, 4))) == 0
    target = (random(2, 3, 8, 8) > 0).float()
    assert float(losses.dice_loss(target, target, torch.ones(2, 8, 8), torch.ones(2, 3))) == pytest.approx(0, abs=1e-6)


def test_losses_at_other_known_points() -> None:
    even = torch.zeros(1, 2, 4, 4)
    labels = torch.zeros(1, 4, 4, dtype=torch.int64)
    assert float(losses.bootstrapped_cross_entropy(even, labels, torch.ones(1, 4, 4))) == pytest.approx(math.log(2))
    one, other = torch.tensor([[[[1.0]], [[0.0]]]]), torch.tensor([[[[-1.0]], [[0.0]]]])
    assert float(losses.feature_distillation(one, other, torch.ones(1, 1, 1))) == pytest.approx(4)
    assert float(losses.discriminator_loss(torch.ones(1, 2, 2), torch.zeros(1, 2, 2), torch.ones(1, 2, 2))) == 0
    assert float(losses.adversarial_loss(torch.zeros(1, 2, 2), torch.ones(1, 2, 2))) == 1
    nothing = losses.dice_loss(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4), torch.ones(1, 4, 4), torch.ones(1, 1))
    assert float(nothing) == pytest.approx(1 - 1 / 17)


def test_logit_distillation_is_the_scaled_divergence() -> None:
    student, teacher = random(1, 3, 1, 1), random(1, 3, 1, 1, seed=1)
    p, q = (teacher / 2).softmax(1), (student / 2).softmax(1)
    expected = 4 * float((p * (p / q).log()).sum())
    assert float(losses.logit_distillation(student, teacher, torch.ones(1, 1, 1), 2.0)) == pytest.approx(
        expected, rel=1e-5
    )


def test_the_hardest_pixels_are_kept() -> None:
    logits = torch.zeros(1, 2, 1, 4)
    logits[0, 0] = torch.tensor([[9.0, 2.0, -1.0, -7.0]])
    labels = torch.zeros(1, 1, 4, dtype=torch.int64)
    each = torch.nn.functional.cross_entropy(logits, labels, reduction="none").flatten()
    got = losses.bootstrapped_cross_entropy(logits, labels, torch.ones(1, 1, 4), keep=0.5)
    assert float(got) == pytest.approx(float(each[2:].mean()))


@pytest.mark.parametrize(
    "loss",
    [
        lambda x, w: losses.bootstrapped_cross_entropy(x, torch.ones(2, 6, 6, dtype=torch.int64), w),
        lambda x, w: losses.bootstrapped_cross_entropy(x, torch.ones(2, 6, 6, dtype=torch.int64), w, keep=0.3),
        lambda x, w: losses.dice_loss(x.softmax(1), torch.ones(2, 3, 6, 6), w, torch.ones(2, 3)),
        lambda x, w: losses.logit_distillation(x, random(2, 3, 6, 6, seed=5), w, 2.0),
        lambda x, w: losses.feature_distillation(x, random(2, 3, 6, 6, seed=5), w),
        lambda x, w: losses.adversarial_loss(x[:, 0], w),
        lambda x, w: losses.discriminator_loss(x[:, 0], x[:, 1], w),
        lambda x, w: losses.affinity_distillation(x[:, 0].softmax(-1), random(2, 6, 6).softmax(-1), w[:, :, 0]),
    ],
)
def test_invalid_positions_have_no_part_in_value_or_gradient(loss) -> None:  # type: ignore[no-untyped-def]
    valid = torch.ones(2, 6, 6)
    valid[:, :3] = 0
    x = random(2, 3, 6, 6).requires_grad_()
    value = loss(x, valid)
    value.backward()
    assert x.grad is not None
    assert float(x.grad[:, :, :3].abs().max()) == 0
    assert float(x.grad[:, :, 3:].abs().max()) > 0
    changed = x.detach().clone()
    changed[:, :, :3] = 50.0
    assert float(loss(changed, valid)) == pytest.approx(float(value.detach()), rel=1e-5)
    assert float(loss(x.detach(), torch.zeros_like(valid))) == pytest.approx(0, abs=1e-5)


def test_boundary_weight_is_high_only_near_the_boundary() -> None:
    mask = torch.zeros(1, 1, 20, 20)
    mask[..., 5:15, 5:15] = 1
    weight = losses.boundary_weight(mask, radius=2, gain=4.0)
    assert float(weight[0, 10, 10]) == 1
    assert float(weight[0, 0, 0]) == 1
    assert float(weight[0, 5, 10]) == 5
    assert float(weight[0, 3, 10]) == 5
    assert float(weight[0, 2, 10]) == 1


def test_the_contrastive_loss_follows_its_formula() -> None:
    z, t = (torch.nn.functional.normalize(random(6, c, seed=c), dim=1) for c in (4, 5))
    y = torch.eye(2)[torch.tensor([0, 1, 1, 0, 1, 0])]
    own, target = z @ z.T, 0.95 * t @ t.T + 0.05 * y @ y.T
    expected = (torch.log2((own**2).sum()) - torch.log2(((own * target) ** 2).sum())) / 6
    torch.testing.assert_close(losses.contrastive_distillation(z, t, y), expected)


# Adaptive rate


def test_a_teacher_that_is_ahead_changes_nothing() -> None:
    config = AdaptiveRateConfig()
    for g in (-1.0, -0.3, 0.0):
        assert rates(g, config) == PLAIN
    adaptive = AdaptiveRate(config)
    for step in range(50):
        assert adaptive.update(0.5, 0.6 + 0.001 * step) == PLAIN


def test_a_student_that_is_ahead_slows_down_and_stops_imitating() -> None:
    config = AdaptiveRateConfig(teacher_gain=2.0, student_damping=1.0, distillation_slope=20.0)
    got = rates(0.2, config)
    assert got.teacher == pytest.approx(1.4)
    assert got.student == pytest.approx(0.8)
    assert got.distillation == pytest.approx(2 / (1 + math.exp(4)))
    far = rates(1.0, replace(config, student_damping=5.0))
    assert (far.teacher, far.student) == (2.0, 0.1)
    assert far.distillation < 1e-6
    assert gap(0.6, 0.4) == pytest.approx(0.2)


def test_running_means_and_their_state() -> None:
    adaptive = AdaptiveRate(AdaptiveRateConfig(smoothing=0.5))
    assert adaptive.rates() == PLAIN
    adaptive.update(1.0, 1.0)
    adaptive.update(2.0, 0.0)
    assert (adaptive.teacher_loss, adaptive.student_loss) == (1.5, 0.5)
    other = AdaptiveRate(adaptive.config)
    other.load_state_dict(adaptive.state_dict())
    assert other.rates() == adaptive.rates() != PLAIN


# Train-time parts


def test_a_smooth_block_gives_unit_vectors_and_starts_as_a_blur() -> None:
    block = SmoothBlock(10, 6)
    vectors, logits = block(random(2, 10, 5, 7))
    assert vectors.shape == (2, 6, 5, 7)
    assert logits.shape == (2, 5, 7)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2, 5, 7))
    torch.testing.assert_close(block.smooth.weight.sum((2, 3)), torch.ones(6, 1))
    assert block.smooth.weight[0, 0, 1, 1].item() == 0.25


def test_the_discriminator_scores_patches() -> None:
    assert Discriminator(6)(random(2, 6, 12, 12)).shape == (2, 3, 3)


# The task


def task(**settings: object) -> OnlineDistillation:
    torch.manual_seed(0)
    config = DistillConfig(**settings)  # type: ignore[arg-type]
    teacher = None if config.teacher_mode == "none" else STM(replace(TINY, stff=False, block="dense"))
    return OnlineDistillation(STM(TINY), teacher, config).train()


EVERYTHING = {
    "loss",
    *(f"{name}{part}" for name in ("student", "teacher") for part in ("", "/cross_entropy", "/dice")),
    *(f"distill/{part}" for part in ("logit", "affinity", "adaptors", "feature", "adversarial", "discriminator")),
}


def test_every_loss_is_named_finite_and_the_sum_is_the_loss() -> None:
    out = task()(batch(), progress=0.5)
    assert set(out) == EVERYTHING
    assert all(torch.isfinite(value) for value in out.values())
    config = DistillConfig()
    total = out["student"] + out["teacher"] + out["distill/adaptors"] + out["distill/discriminator"]
    total = total + config.logit_weight * out["distill/logit"] + config.affinity_weight * out["distill/affinity"]
    total = total + config.feature_weight * out["distill/feature"]
    total = total + config.adversarial_weight * out["distill/adversarial"]
    torch.testing.assert_close(out["loss"], total)


def test_every_part_can_be_switched_off() -> None:
    assert set(task(teacher_mode="none")(batch(), 0.5)) == {"loss", "student", "student/cross_entropy", "student/dice"}
    switches = {
        "logit_weight": {"distill/logit"},
        "affinity_weight": {"distill/affinity"},
        "feature_weight": {"distill/feature"},
        "adversarial_weight": {"distill/adversarial", "distill/discriminator"},
    }
    for name, gone in switches.items():
        assert set(task(**{name: 0.0})(batch(), 0.5)) == EVERYTHING - gone
    assert "distill/contrastive" in task(contrastive_weight=0.1)(batch(), 0.5)
    assert isinstance(task(smooth_block=True).student_adaptor, SmoothBlock)
    assert not isinstance(task(smooth_block=False).student_adaptor, SmoothBlock)


def test_the_adversarial_loss_waits() -> None:
    t = task(teacher_mode="frozen", logit_weight=0.0, affinity_weight=0.0, feature_weight=0.0, adversarial_weight=1.0)
    early, late = t(batch(), 0.05), t(batch(), 0.5)
    own = ("student", "distill/adaptors", "distill/discriminator")
    assert early["loss"].item() == pytest.approx(sum(early[name].item() for name in own), rel=1e-5)
    assert late["loss"].item() > sum(late[name].item() for name in own)


def test_the_teacher_gets_its_task_gradient_and_no_other() -> None:
    def teacher_gradient(t: OnlineDistillation, distillation: float) -> torch.Tensor:
        t.zero_grad()
        t(batch(), 0.5, distillation)["loss"].backward()
        assert t.teacher is not None
        return torch.cat([p.grad.flatten() for p in t.teacher.parameters() if p.grad is not None])

    with_everything = teacher_gradient(task(), 1.0)
    alone = teacher_gradient(
        task(logit_weight=0.0, affinity_weight=0.0, feature_weight=0.0, adversarial_weight=0.0), 0.0
    )
    torch.testing.assert_close(with_everything, alone)
    assert float(alone.abs().max()) > 0


def test_a_frozen_teacher_gets_none_and_the_student_does() -> None:
    t = task(teacher_mode="frozen")
    t(batch(), 0.5)["loss"].backward()
    assert t.teacher is not None
    assert all(p.grad is None for p in t.teacher.parameters())
    assert any(p.grad is not None and float(p.grad.abs().max()) > 0 for p in t.student.backbone.parameters())


def test_imitation_has_no_part_when_its_factor_is_zero() -> None:
    t = task()
    t(batch(), 0.5, distillation=0.0)["loss"].backward()
    without = {n: p.grad.clone() for n, p in t.student.named_parameters() if p.grad is not None}
    t = task(logit_weight=0.0, affinity_weight=0.0, feature_weight=0.0)
    t.discriminator = None
    t(batch(), 0.5)["loss"].backward()
    # What is left beside the task is the adaptor's mask head, which reads the student's features.
    for name, parameter in t.student.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(without[name], parameter.grad, rtol=1e-4, atol=1e-6)


def test_teacher_mode_and_teacher_must_agree() -> None:
    with pytest.raises(InputError, match="teacher_mode 'joint' and no teacher"):
        OnlineDistillation(STM(TINY), None, DistillConfig())
    with pytest.raises(InputError, match="teacher_mode is 'later'"):
        DistillConfig(teacher_mode="later")  # type: ignore[arg-type]


def test_training_reads_all_of_memory_or_what_is_read_in_use() -> None:
    clip = batch(size=96)
    losses_of = {}
    for top_k in (None, 4):
        for deployed in (False, True):
            torch.manual_seed(0)
            config = DistillConfig(teacher_mode="none", deployed_reading=deployed)
            network = OnlineDistillation(STM(TINY), None, config, student_top_k=top_k).eval()
            with torch.no_grad():
                losses_of[top_k, deployed] = float(network(clip, progress=0.5)["loss"])
    assert losses_of[None, False] == losses_of[None, True] == losses_of[4, False]
    assert losses_of[4, True] != losses_of[4, False]


# Rollout


def test_a_rollout_does_not_depend_on_what_else_is_in_the_batch() -> None:
    torch.manual_seed(0)
    network = STM(TINY).eval()
    clip = batch()
    images = clip.images.float() / 255
    with torch.no_grad():
        together = rollout(network, images, clip.masks[:, 0].float(), clip.object_valid)
        alone = rollout(network, images[1:], clip.masks[1:, 0, :1].float(), clip.object_valid[1:, :1])
    assert together.logits.shape == (2, 2, 3, 12, 12)
    assert together.fused.shape == (3, 2, 20, 3, 3)
    torch.testing.assert_close(together.logits[1, :, :2], alone.logits[0], rtol=1e-3, atol=1e-4)
    assert float(together.logits[1, :, 2].softmax(0).max()) <= 1
    assert int(together.logits[1].argmax(1).max()) < 2  # the object that is not there wins nowhere
    assert [scores.shape for scores in together.similarities] == [(2, 9, 9), (2, 9, 18)]


def test_a_rollout_reads_as_the_segmenter_does() -> None:
    torch.manual_seed(0)
    network = STM(TINY).eval()
    clip = batch(size=96)
    images = clip.images[:1].float() / 255
    # Not on the grid of 4 pixels: what is partly the object is remembered as the segmenter weighs it.
    first, valid = clip.masks[:1, 0, :1].float().roll((1, 2), (2, 3)), clip.object_valid[:1, :1]
    memory = MemoryConfig(memory_interval=1, max_recent=2, top_k=4, reach=None)
    config = ModelConfig(name="tiny", network=TINY, memory=memory)
    segmenter = VideoSegmenter(prepare_model(deepcopy(network), config, device="cpu", dtype="float32"))
    with torch.no_grad():
        logits = {k: rollout(network, images, first, valid, top_k=k).logits[0] for k in (None, 4)}
        segmenter.step(clip.images[0, 0].permute(1, 2, 0).numpy(), first[0, 0].byte().numpy())
        _, probs = segmenter.look(images[:, 1])
    torch.testing.assert_close(soft_aggregate(probs, dim=0), logits[4][0], rtol=0, atol=1e-5)
    assert float((logits[None][0] - logits[4][0]).abs().max()) > 1e-4  # a random network hardly minds what it reads


def test_averages_forget_the_first_steps_and_move_slowly_later() -> None:
    module = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(0.0)
    ema = Ema(module, 0.9)
    with torch.no_grad():
        module.weight.fill_(1.0)
    ema.update(module)
    assert float(ema.state["weight"]) == pytest.approx(1 - 2 / 11)
    for _ in range(200):
        ema.update(module)
    assert float(ema.state["weight"]) == pytest.approx(1, abs=1e-4)
