"""Published image-encoder weights: what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vos_kd.errors import InputError
from vos_kd.modeling.pretrained import read_state


def test_every_damaged_byte_is_noticed_or_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "encoder.pth"
    torch.save({"stem.weight": torch.arange(6.0), "stem.bias": torch.zeros(2)}, path)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    messages = []
    for _ in range(300):
        damaged = whole.copy()
        damaged[rng.integers(0, len(whole), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes())
        try:
            state = read_state(path)
        except InputError as error:
            messages.append(str(error))
        else:
            assert all(isinstance(value, torch.Tensor) for value in state.values())
    assert 30 < len(messages) < 300
    assert all(message.startswith(str(path)) and "\n" not in message for message in messages)


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"a": 1}, {1: torch.zeros(1)}])
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(InputError, match=r"x\.pth holds (list|dict); expected a state dict of named tensors"):
        read_state(tmp_path / "x.pth")
