"""Recipes, settings from the command line, learning rates."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vos_kd.checkpoint import save_weights
from vos_kd.config import PRESETS
from vos_kd.distill.adaptive_lr import PLAIN, Rates
from vos_kd.errors import InputError
from vos_kd.modeling.registry import build_model
from vos_kd.recipes import RECIPES, OptimConfig, all_keys, get_recipe
from vos_kd.train import build_task
from vos_kd.training.optim import build_optimizer, rate_at, set_rates


def test_settings_are_parsed_by_the_type_of_their_field() -> None:
    recipe = get_recipe(
        "cpu",
        [
            "optim.lr=1e-3",
            "optim.steps=7",
            "data.photos=a.zip,b.zip",
            "distill.smooth_block=false",
            "distill.rates.smoothing=0.5",
            "student_encoder=none",
            "precision=no",
            "teacher=student_large",
        ],
    )
    assert recipe.optim.lr == 1e-3
    assert recipe.optim.steps == 7
    assert recipe.data.photos == ("a.zip", "b.zip")
    assert recipe.distill.smooth_block is False
    assert recipe.distill.rates.smoothing == 0.5
    assert recipe.student_encoder is None
    assert (recipe.precision, recipe.teacher) == ("no", "student_large")
    assert RECIPES["cpu"].optim.steps != 7


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("optim.lrr=1", r"no setting 'optim.lrr'; near it: .*optim.lr"),
        ("optim=1", "no setting 'optim'"),
        ("optim.lr.x=1", "no setting 'optim.lr.x'"),
        ("optim.lr", "has no '='"),
        ("optim.steps=many", "optim.steps is 'many'; expected int"),
        ("precision=fp8", "precision is 'fp8'; expected one of bf16, no"),
        ("compile=yes", "compile is 'yes'; expected true or false"),
        ("distill.teacher_mode=later", "teacher_mode is 'later'"),
        ("distill.logit_weight=-1", "logit_weight is -1.0; expected 0 or more"),
        ("save_every=0", "save_every is 0; expected 1 or more"),
        ("data.batch_size=0", "batch_size is 0; expected 1 or more"),
        ("data.real_share=2", "real_share is 2.0"),
    ],
)
def test_wrong_settings_are_named(setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        get_recipe("smoke", [setting])


def test_unknown_recipe_lists_the_near_ones() -> None:
    with pytest.raises(InputError, match="no recipe 'smok'; near it: smoke"):
        get_recipe("smok")


def test_every_recipe_has_the_same_keys_and_builds() -> None:
    assert set(RECIPES) == {"smoke", "cpu", "gpu", "davis-ytvos"}
    keys = all_keys(RECIPES["smoke"])
    assert "distill.rates.smoothing" in keys
    for recipe in RECIPES.values():
        assert all_keys(recipe) == keys
    build_task(RECIPES["smoke"])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("optim.lr=-1", "lr is -1.0; expected 0 or more"),
        ("optim.lr=nan", "lr is nan; expected 0 or more"),
        ("optim.weight_decay=-0.1", "weight_decay is -0.1; expected 0 or more"),
        ("seed=-1", "seed is -1; expected 0 or more"),
        ("distill.temperature=0", "temperature is 0.0; expected more than 0"),
        ("distill.temperature=nan", "temperature is nan"),
        ("optim.lr=inf", "lr is inf; expected 0 or more, but finite"),
        ("optim.clip_norm=-3", r"clip_norm is -3.0; expected more than 0"),
        ("optim.clip_norm=nan", "clip_norm is nan"),
        ("distill.common_width=0", "common_width is 0; expected 1 or more"),
        ("distill.logit_weight=nan", "logit_weight is nan; expected 0 or more"),
    ],
)
def test_numbers_that_cannot_train_are_refused(setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        get_recipe("smoke", [setting])


def test_the_learning_rate_warms_up_and_decays() -> None:
    config = OptimConfig(steps=100, warmup_steps=10, lr=1.0, final_lr_share=0.1)
    assert rate_at(0, config) == pytest.approx(0.1)
    assert rate_at(9, config) == pytest.approx(1.0)
    assert rate_at(10, config) == pytest.approx(1.0)
    assert rate_at(55, config) == pytest.approx(0.55)
    assert rate_at(100, config) == pytest.approx(0.1)


def test_the_learning_rate_comes_down_by_the_clock_where_that_is_sooner() -> None:
    config = OptimConfig(steps=100, warmup_steps=10, lr=1.0, final_lr_share=0.1)
    assert rate_at(3, config, time_share=0.5) == pytest.approx(0.4)  # the warm-up stays
    assert rate_at(9, config, time_share=0.5) == pytest.approx(0.55)  # where it is not above what the time leaves
    assert rate_at(9, config, time_share=1.0) == pytest.approx(0.1)
    assert rate_at(19, config, time_share=0.5) == pytest.approx(0.55)
    assert rate_at(55, config, time_share=0.1) == pytest.approx(0.55)
    assert rate_at(20, config, time_share=1.2) == pytest.approx(0.1)


def test_each_role_has_its_own_rate() -> None:
    recipe = get_recipe("smoke")
    task = build_task(recipe)
    optimizer = build_optimizer(task, recipe.optim)
    assert sum(p.numel() for group in optimizer.param_groups for p in group["params"]) == sum(
        p.numel() for p in task.parameters() if p.requires_grad
    )
    set_rates(optimizer, 1.0, Rates(teacher=2.0, student=0.5, distillation=1.0))
    of = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            of[id(parameter)] = (group["lr"], group["weight_decay"])
    assert of[id(task.student.decoder.logit.weight)] == (0.5, 0.01)
    assert of[id(task.student.decoder.logit.bias)] == (0.5, 0.0)
    assert of[id(task.student.backbone.stem[0].weight)][0] == pytest.approx(0.5 * 0.25)
    assert task.teacher is not None
    assert of[id(task.teacher.decoder.logit.weight)][0] == pytest.approx(2 * 0.5)
    set_rates(optimizer, 1.0, PLAIN)
    assert {group["lr"] for group in optimizer.param_groups if group["role"] == "parts"} == {1.0, 0.2}


@pytest.mark.parametrize(
    ("role", "other", "setting"),
    [("teacher", "student", "teacher_encoder_lr_scale"), ("student", "teacher", "encoder_lr_scale")],
)
def test_an_image_encoder_with_rate_zero_is_frozen_and_must_not_be_random(
    role: str, other: str, setting: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=rf"{role}'s image encoder is frozen \(optim.{setting}=0\) but would be"):
        build_task(get_recipe("smoke", [f"optim.{setting}=0"]))
    preset = get_recipe("smoke", []).student if role == "student" else "student"  # a light network teaches there
    weights = tmp_path / "weights.safetensors"
    save_weights(weights, build_model(preset).state_dict(), PRESETS[preset])
    task = build_task(get_recipe("smoke", [f"optim.{setting}=0", f"{role}_weights={weights}"]))
    assert not any(p.requires_grad for p in getattr(task, role).backbone.parameters())
    assert all(p.requires_grad for p in getattr(task, role).decoder.parameters())
    assert all(p.requires_grad for p in getattr(task, other).backbone.parameters())
    assert torch.is_grad_enabled()
