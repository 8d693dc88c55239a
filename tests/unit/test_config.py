"""Configurations travel as JSON with the weights."""

from __future__ import annotations

import json

import pytest

from vos_kd.config import PRESETS, MemoryConfig, ModelConfig
from vos_kd.errors import InputError


def test_every_preset_survives_json() -> None:
    assert {"student", "teacher", "stcn_r50"} <= set(PRESETS)
    for name, config in PRESETS.items():
        assert config.name == name
        assert ModelConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object"),
        ("{}", "has no name"),
        ('{"name": "x", "colour": 1}', "no setting colour"),
        ('{"name": "x", "network": {"key_dim": -1}}', "key_dim is -1"),
        ('{"name": "x", "network": {"key_dim": "big"}}', "key_dim is 'big'"),
        ('{"name": "x", "network": {"block": "odd"}}', "block is 'odd'"),
        ('{"name": "x", "memory": {"top_k": 0}}', "top_k is 0"),
        ('{"name": "x", "memory": {"memory_interval": null}}', "memory_interval is None"),
        ('{"name": "x", "memory": {"reach": 0}}', "reach is 0; expected a share"),
        ('{"name": "x", "memory": {"reach": 1.5}}', "reach is 1.5"),
        ('{"name": "x", "memory": {"reach": true}}', "reach is True"),
        ('{"name": "x", "memory": {"reach": NaN}}', "reach is nan"),
        ('{"name": "x", "network": {"backbone": "hf-hub:someone/model"}}', "backbone is 'hf-hub:someone/model'"),
        ('{"name": "x", "network": {"decoder_widths": 5}}', "decoder_widths is 5"),
        ('{"name": "x", "network": {"decoder_widths": [1, 2, 100000]}}', "decoder_widths is"),
        ('{"name": "x", "network": {"stff": "no"}}', "stff is 'no'; expected true or false"),
        ('{"name": "x", "architecture": "unet"}', "architecture is 'unet'"),
    ],
)
def test_foreign_json_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ModelConfig.from_json(text)


def test_equal_configurations_give_equal_text() -> None:
    text = PRESETS["student"].to_json()
    shuffled = json.dumps(dict(reversed(json.loads(text).items())))
    assert ModelConfig.from_json(shuffled).to_json() == text


def test_memory_is_bounded_unless_asked() -> None:
    assert MemoryConfig().max_recent == 5
    assert PRESETS["stcn_r50"].memory.max_recent is None


def test_published_networks_find_objects_anywhere_and_ours_near_where_they_were() -> None:
    assert PRESETS["stcn_r50"].memory.reach is None
    assert PRESETS["student"].memory.reach == PRESETS["teacher"].memory.reach == 0.1
