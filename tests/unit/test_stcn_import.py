"""Reading public STCN checkpoints: what is accepted, what it becomes, and that nothing in them is ever run."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from vos_kd.errors import InputError
from vos_kd.modeling import stcn_import
from vos_kd.modeling.stcn import STCN
from vos_kd.modeling.stcn_import import import_stcn_checkpoint

KEY_BIAS = "key_proj.key_proj.bias"
CONV1 = "value_encoder.conv1.weight"
COUNTER = "key_encoder.bn1.num_batches_tracked"


@pytest.fixture(scope="module")
def public_entries() -> dict[str, Tensor]:
    """A full checkpoint of a few hundred bytes: each entry is one number, spread over its shape without memory."""
    with torch.device("meta"):
        expected = STCN().state_dict()
    return {
        name: torch.full((), 0.25 + 0.5 * (n % 2), dtype=torch.float32).to(like.dtype).expand(like.shape)
        for n, (name, like) in enumerate(expected.items())
    }


@pytest.fixture
def entries(public_entries: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same, to be changed; with some entries of different numbers."""
    generator = torch.Generator().manual_seed(0)
    changed = {
        KEY_BIAS: torch.randn(64, generator=generator),
        CONV1: torch.randn(64, 5, 7, 7, generator=generator),
        COUNTER: torch.tensor(7),
    }
    return {**public_entries, **changed}


@pytest.fixture
def save(tmp_path: Path) -> Callable[[object], Path]:
    def write(content: object) -> Path:
        torch.save(content, tmp_path / "stcn.pth")
        return tmp_path / "stcn.pth"

    return write


def test_gives_every_entry_in_own_memory(entries: dict[str, Tensor], save: Callable[[object], Path]) -> None:
    imported = import_stcn_checkpoint(save(entries))
    with torch.device("meta"):
        network = STCN()
    network.load_state_dict(imported, strict=True, assign=True)
    assert list(imported) == list(network.state_dict())
    assert len(imported) == 405
    for name, value in imported.items():
        assert torch.equal(value, entries[name].contiguous()), name
        assert value.is_contiguous()
        assert value.untyped_storage().nbytes() == value.numel() * value.element_size()
    assert imported[COUNTER] == 7


def test_reads_a_training_state(entries: dict[str, Tensor], save: Callable[[object], Path]) -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.Adam([weight])
    torch.autograd.backward(weight.sum())
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [10])
    state = {
        "it": 300,
        "network": {
            f"module.{name}": torch.nn.Parameter(v, requires_grad=v.is_floating_point()) for name, v in entries.items()
        },
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
    }
    imported = import_stcn_checkpoint(save(state))
    assert torch.equal(imported[KEY_BIAS], entries[KEY_BIAS])
    assert type(imported[KEY_BIAS]) is Tensor
    assert not imported[KEY_BIAS].requires_grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(
    dtype: torch.dtype, entries: dict[str, Tensor], save: Callable[[object], Path]
) -> None:
    given = entries[KEY_BIAS].to(dtype)
    imported = import_stcn_checkpoint(save({**entries, KEY_BIAS: given}))
    assert imported[KEY_BIAS].dtype == torch.float32
    assert torch.equal(imported[KEY_BIAS], given.float())


def test_single_object_checkpoints_get_a_channel_of_zeros(
    entries: dict[str, Tensor], save: Callable[[object], Path]
) -> None:
    imported = import_stcn_checkpoint(save({**entries, CONV1: entries[CONV1][:, :4]}))
    assert torch.equal(imported[CONV1][:, :4], entries[CONV1][:, :4])
    assert imported[CONV1].shape == (64, 5, 7, 7)
    assert not imported[CONV1][:, 4].any()


def test_reads_files_from_before_torch_1_6(entries: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "stcn.pth"
    torch.save(entries, path, _use_new_zipfile_serialization=False)
    assert torch.equal(import_stcn_checkpoint(path)[KEY_BIAS], entries[KEY_BIAS])


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (KEY_BIAS, torch.zeros(32), r"1 wrong entries.*key_proj\.key_proj\.bias has shape \[32\], expected \[64\]"),
        (KEY_BIAS, torch.zeros(64, dtype=torch.int64), "is torch.int64, expected torch.float32"),
        (KEY_BIAS, torch.full((64,), torch.nan), "bias has values that are not finite"),
        (KEY_BIAS, torch.full((64,), 1e300, dtype=torch.float64), "bias has values that are not finite"),
        (KEY_BIAS, torch.zeros(64).to_sparse(), "bias is not a plain tensor"),
        (KEY_BIAS, torch.zeros(64, device="meta"), "bias is not a plain tensor"),
        (KEY_BIAS, [0.0] * 64, "bias is not a plain tensor"),
        (KEY_BIAS, torch.zeros(1).expand(1 << 40), "has shape"),
        (COUNTER, torch.tensor(1.5), "is torch.float32, expected torch.int64"),
        (CONV1, torch.zeros(64, 3, 7, 7), r"has shape \[64, 3, 7, 7\]"),
        ("extra\x1b[2J" * 100, torch.zeros(1), r"1 wrong entries, first 'extra\\x1b\[2J.{0,100} is not the network's"),
        (5, torch.zeros(1), "'5' is not the network's"),
    ],
)
def test_refuses_a_wrong_entry(
    name: str, value: object, expected: str, entries: dict[str, object], save: Callable[[object], Path]
) -> None:
    with pytest.raises(InputError, match=expected):
        import_stcn_checkpoint(save({**entries, name: value}))


def test_tells_how_many_are_wrong_and_shows_the_first(
    entries: dict[str, Tensor], save: Callable[[object], Path]
) -> None:
    kept = {name: value for name, value in entries.items() if not name.startswith("decoder.")}
    with pytest.raises(InputError, match="23 wrong entries") as raised:
        import_stcn_checkpoint(save({**kept, KEY_BIAS: torch.zeros(1)}))
    assert str(raised.value).count("is missing") == stcn_import.SHOWN - 1
    assert f"first {KEY_BIAS} has shape" in str(raised.value)


@pytest.mark.parametrize("content", [[torch.zeros(1)], torch.zeros(2), None, 7])
def test_refuses_what_is_not_named_tensors(content: object, save: Callable[[object], Path]) -> None:
    with pytest.raises(InputError, match="expected named tensors"):
        import_stcn_checkpoint(save(content))


def test_refuses_an_empty_dict(save: Callable[[object], Path]) -> None:
    with pytest.raises(InputError, match=r"405 wrong entries, first key_encoder\.conv1\.weight is missing"):
        import_stcn_checkpoint(save({}))


class Payload:
    """Unpickled without care, it creates a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("form", ["pickle", "torch", "torch before 1.6", "in an entry"])
def test_never_runs_code(form: str, entries: dict[str, object], tmp_path: Path) -> None:
    target = tmp_path / "was-run"
    path = tmp_path / "stcn.pth"
    payload = Payload(target)
    content: object = {**entries, KEY_BIAS: payload} if form == "in an entry" else payload
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form != "torch before 1.6")
    with pytest.raises(InputError, match="were not loaded") as raised:
        import_stcn_checkpoint(path)
    assert not target.exists()
    assert "weights_only" not in str(raised.value)  # no advice to load it unsafely

    torch.load(path, weights_only=False) if form != "pickle" else pickle.loads(path.read_bytes())  # noqa: S301
    assert target.exists(), "the payload must be live, or this test shows nothing"


def test_refuses_damaged_files(entries: dict[str, Tensor], tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(entries, buffer)
    whole = buffer.getvalue()
    path = tmp_path / "stcn.pth"
    damaged = [b"", b"\x80", b"not a checkpoint", b"PK\x03\x04", whole[:-30], whole[: len(whole) // 2], whole[100:]]
    damaged.append(whole.replace(b"torch._utils", b"torch._utilz"))
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(InputError, match="damaged"):
            import_stcn_checkpoint(path)
    assert len(damaged) == 8


def test_refuses_folders_and_missing_files(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.pth"):
        with pytest.raises(InputError, match=r"cannot read .* Give the path of a \.pth file"):
            import_stcn_checkpoint(path)


def test_refuses_huge_files_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("a huge file was read"))
    sparse = tmp_path / "sparse.pth"
    with sparse.open("wb") as file:
        file.truncate(stcn_import.MAX_BYTES + 1)
    with pytest.raises(InputError, match="holds 1024 MiB"):
        import_stcn_checkpoint(sparse)

    monkeypatch.setattr(stcn_import, "MAX_BYTES", 1 << 20)
    packed = tmp_path / "packed.pth"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(3 << 20))
    assert packed.stat().st_size < 1 << 20
    with pytest.raises(InputError, match="holds 3 MiB"):
        import_stcn_checkpoint(packed)
