"""MobileSAM: published names, coordinates, what stands for hints, and pseudo-labels made with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest
import torch

from vos_kd import pseudo_labels
from vos_kd.data.davis import davis_sequences
from vos_kd.data.masks import VOID_ID, object_ids, read_mask
from vos_kd.errors import InputError
from vos_kd.modeling.mobile_sam import SIDE, Embedding, MobileSam, Proposals
from vos_kd.prompts import mobile_sam as prompts_mobile_sam
from vos_kd.prompts.hints import BACKGROUND, FOREGROUND, Hints
from vos_kd.prompts.mobile_sam import MobileSamPrompt, hint_points, open_mobile_sam
from vos_kd.video_io import VideoWriter

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def network() -> MobileSam:
    torch.manual_seed(0)
    return MobileSam().eval()


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    """Entries named and shaped as in the public `mobile_sam.pt`, each filled with a number of its own."""
    entries = json.loads((GOLDEN / "mobile_sam_entries.json").read_text())
    return {name: torch.full(shape, n / 1000) for n, (name, shape) in enumerate(entries.items())}


def test_the_published_file_fills_every_weight(published: dict[str, torch.Tensor], tmp_path: Path) -> None:
    file = tmp_path / "mobile_sam.pt"
    torch.save(published, file)
    loaded = open_mobile_sam(str(file)).state_dict()
    behind = {name: value for name, value in loaded.items() if not name.startswith("backbone.")}
    assert len({float(value.flatten()[0]) for value in behind.values()}) == len(behind)  # no entry was used twice
    # Of pairs with equal shapes, which a mistake could swap:
    block, head = "mask_decoder.transformer.layers.1", "mask_decoder.iou_prediction_head"
    mlp = "mask_decoder.output_hypernetworks_mlps.2"
    for ours, theirs in {
        "neck.1.weight": "image_encoder.neck.1.weight",
        f"{block}.layer_norm2.weight": f"{block}.norm2.weight",
        f"{block}.cross_attn_token_to_image.q_proj.weight": f"{block}.cross_attn_token_to_image.q_proj.weight",
        f"{head}.proj_in.weight": f"{head}.layers.0.weight",
        f"{head}.layers.0.weight": f"{head}.layers.1.weight",
        f"{head}.proj_out.weight": f"{head}.layers.2.weight",
        f"{mlp}.proj_out.bias": f"{mlp}.layers.2.bias",
        "prompt_encoder.point_embed.3.weight": "prompt_encoder.point_embeddings.3.weight",
        "prompt_encoder.not_a_point_embed.weight": "prompt_encoder.not_a_point_embed.weight",
    }.items():
        assert torch.equal(loaded[ours], published[theirs]), ours


def test_another_networks_file_is_refused(published: dict[str, torch.Tensor], tmp_path: Path) -> None:
    file = tmp_path / "other.pt"
    torch.save({name: value for name, value in published.items() if name != "mask_decoder.iou_token.weight"}, file)
    with pytest.raises(InputError, match=r"mask_decoder\.iou_token\.weight is missing"):
        MobileSam.load(file)
    with pytest.raises(InputError, match=r"missing\.pt is not there"):
        open_mobile_sam(str(tmp_path / "missing.pt"))
    with pytest.raises(InputError, match="has no revision"):
        open_mobile_sam("owner/repository")


def test_without_transformers_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers.models.sam", None)
    with pytest.raises(InputError, match="pip install transformers"):
        MobileSam()


def test_answers_have_the_images_shape_at_a_quarter_of_the_networks_size(network: MobileSam) -> None:
    embedding = network.embed(torch.rand(3, 60, 100))
    assert embedding.features.shape == (1, 256, 64, 64)
    assert embedding.scale == SIDE / 100
    points, shows = torch.tensor([[[5.0, 5.0]], [[90.0, 50.0]]]), torch.ones(2, 1, dtype=torch.bool)
    single = network.ask(embedding, points=points, is_foreground=shows)
    several = network.ask(embedding, points=points, is_foreground=shows, is_ambiguous=True)
    assert (single.logits.shape, several.logits.shape) == ((2, 1, 154, 256), (2, 3, 154, 256))
    assert (single.scores.shape, several.scores.shape) == ((2, 1), (2, 3))
    # Each prompt is answered for itself, and the kind of a point counts.
    alone = network.ask(embedding, points=points[1:], is_foreground=shows[1:])
    assert torch.allclose(alone.logits, single.logits[1:], atol=1e-4)
    other = network.ask(embedding, points=points[1:], is_foreground=~shows[1:])
    assert not torch.allclose(other.logits, alone.logits, atol=1e-4)


def test_an_image_lies_at_the_top_left_of_the_canvas(network: MobileSam, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    nothing = torch.zeros(1, network.backbone.channels[2], 64, 64)
    monkeypatch.setattr(network.backbone, "forward", lambda image: seen.append(image) or (None, None, nothing))
    network.embed(torch.ones(3, 60, 100))
    [canvas] = seen
    inside = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    inside[:614] = True  # 60 / 100 of it, over its whole width
    assert torch.equal((canvas[0] == 1).all(0), inside)
    assert canvas[0, :, ~inside].T.unique(dim=0).tolist() == [pytest.approx(network.backbone.image_mean)]


def test_a_point_and_the_cell_it_lies_in_have_one_position(network: MobileSam) -> None:
    x, y = 37, 5
    point = torch.tensor([(x + 0.5) / 64, (y + 0.5) / 64])
    expected = network.prompt_encoder.shared_embedding(point[None, None])[0, 0]
    assert torch.allclose(network._positions()[0, :, y, x], expected, atol=1e-3)  # its neighbours differ by far more


def test_prompts_are_told_in_network_pixels(network: MobileSam, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {}
    encode = network.prompt_encoder.forward
    monkeypatch.setattr(network.prompt_encoder, "forward", lambda **prompt: told.update(prompt) or encode(**prompt))
    embedding = Embedding(torch.zeros(1, 256, 64, 64), height=128, width=256)
    network.ask(embedding, boxes=torch.tensor([[1, 2, 3, 4]]), points=torch.tensor([[[10, 20]]]),
                is_foreground=torch.tensor([[False]]))  # fmt: skip
    assert told["input_boxes"].tolist() == [[[4, 8, 12, 16]]]
    assert told["input_points"].tolist() == [[[[40, 80]]]]
    assert told["input_labels"].tolist() == [[[0]]]


def test_an_image_is_encoded_once_whatever_is_asked(network: MobileSam, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def embed(image: torch.Tensor) -> Embedding:
        calls.append(image)
        return Embedding(image.mean().expand(1, 256, 64, 64), *image.shape[1:])

    monkeypatch.setattr(network, "embed", embed)
    segment = MobileSamPrompt(network)
    image = np.random.default_rng(0).integers(0, 255, (40, 64, 3)).astype(np.uint8)
    hints = Hints(np.zeros((40, 64), np.uint8), box=(5, 5, 30, 30))
    first = segment(image, hints)
    assert first.shape == (40, 64)
    assert first.dtype == bool
    assert np.array_equal(segment(image.copy(), hints), first)
    segment(255 - image, hints)
    segment(image, hints)
    assert len(calls) == 2  # two visitors who take turns
    monkeypatch.setattr(prompts_mobile_sam, "_IMAGES", 2)
    segment(image // 2, hints)
    segment(image, hints)
    assert len(calls) == 3
    segment(255 - image, hints)
    assert len(calls) == 4  # it was asked about least lately, and gone
    only_background = Hints(np.full((40, 64), BACKGROUND, np.uint8), clicks=((3, 3, False),))
    assert not segment(image, only_background).any()


def test_of_several_readings_of_a_click_the_surest_is_taken() -> None:
    class Unsure:
        def embed(self, image: torch.Tensor) -> Embedding:
            return Embedding(image, *image.shape[1:])

        def ask(self, embedding: Embedding, **_: object) -> Proposals:
            readings = logits(np.s_[0:10, 0:10], np.s_[0:20, 0:20], np.s_[0:30, 0:30]).mT.permute(1, 0, 2, 3)
            return Proposals(readings, torch.tensor([[0.3, 0.9, 0.6]]))

    segment = MobileSamPrompt(cast(Any, Unsure()))
    mask = segment(np.zeros((50, 50, 3), np.uint8), Hints(np.zeros((50, 50), np.uint8), clicks=((3, 3, True),)))
    assert mask.sum() == 20 * 20


def test_clicks_stand_for_themselves_and_strokes_for_their_middle() -> None:
    sure = np.zeros((40, 60), np.uint8)
    sure[10:21, 5:16] = FOREGROUND
    sure[30:39, 40:49] = BACKGROUND
    points, shows = hint_points(Hints(sure, clicks=((50, 3, True),)))
    assert (points.tolist(), shows.tolist()) == ([[50, 3]], [True])  # the rest is the clicks' own disks
    points, shows = hint_points(Hints(sure, is_painted=True))
    assert points[0].tolist() == [10, 15]
    assert points[shows.argmin()].tolist() == [44, 34]
    assert all(
        sure[int(y), int(x)] == (FOREGROUND if s else BACKGROUND) for (x, y), s in zip(points, shows, strict=True)
    )
    points, shows = hint_points(Hints(np.zeros((9, 9), np.uint8)))
    assert points.shape == (0, 2)


# --- pseudo-labels


def logits(*regions: tuple[slice, slice], size: tuple[int, int] = (50, 50), strength: float = 9) -> torch.Tensor:
    out = torch.full((len(regions), 1, *size), -strength)
    for n, region in enumerate(regions):
        out[n, 0][region] = strength
    return out


def test_proposals_are_taken_surest_first_and_none_twice() -> None:
    regions = [np.s_[5:20, 5:20], np.s_[6:20, 5:20], np.s_[30:45, 30:45], np.s_[0:50, 0:50], np.s_[25:26, 25:28]]
    scores = torch.tensor([0.9, 0.95, 0.89, 0.99, 0.99])[:, None]
    chosen = pseudo_labels.choose(Proposals(logits(*regions), scores), most=3)
    assert [int((c > 0).sum()) for c in chosen] == [14 * 15, 15 * 15]  # neither the scene nor the speck
    assert len(pseudo_labels.choose(Proposals(logits(*regions), scores), most=1)) == 1
    unsure = Proposals(logits(*regions[:3]), torch.full((3, 1), 0.5))
    assert pseudo_labels.choose(unsure, most=3) == []
    at_the_border = Proposals(logits(np.s_[0:14, 0:50], np.s_[0:14, 10:30]), torch.tensor([[0.99], [0.9]]))
    assert [int((c > 0).sum()) for c in pseudo_labels.choose(at_the_border, most=3)] == [14 * 20]  # no sky
    wavering = logits(regions[0])
    wavering[0, 0, 20:24, 5:20] = -0.5  # a lower threshold takes a quarter more
    assert pseudo_labels.choose(Proposals(wavering, torch.tensor([[0.99]])), most=3) == []


class _Oracle:
    """In place of MobileSAM: finds what is unlike the background, so that a run needs no weights."""

    def __init__(self, agrees: bool) -> None:
        self.agrees = agrees

    def embed(self, image: torch.Tensor) -> Embedding:
        return Embedding(image[None], *image.shape[1:])

    def ask(self, embedding: Embedding, boxes: torch.Tensor | None = None, **_: object) -> Proposals:
        found = torch.where((embedding.features[:, :1] > 0.7), 9.0, -9.0)
        if boxes is not None and not self.agrees:
            found = -found
        return Proposals(found, torch.tensor([[0.99]]))


def _square_video(path: Path, frames: int = 12) -> None:
    path.parent.mkdir(exist_ok=True)
    with VideoWriter(path, fps=10) as writer:
        for n in range(frames):
            image = np.full((64, 96, 3), (30, 80, 40), np.uint8)
            cv2.rectangle(image, (20 + n, 20), (45 + n, 45), (255, 60, 60), -1)
            writer.write(image)


@pytest.mark.parametrize("agrees", [True, False])
def test_a_clip_becomes_a_tree_that_training_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agrees: bool
) -> None:
    _square_video(tmp_path / "clips" / "square.mp4")
    monkeypatch.setattr(pseudo_labels, "open_mobile_sam", lambda _: _Oracle(agrees))
    out = tmp_path / "tree"
    command = [str(tmp_path / "clips"), "--sam", "x", "--teacher", "student", "--out", str(out)]
    assert pseudo_labels.main([*command, "--frames", "4", "--stretches", "2", "--every", "1"]) == 0
    done = json.loads((out / pseudo_labels.DONE).read_text())
    assert sorted(done) == ["square_00000", "square_00004"]
    assert set(done.values()) == {int(agrees)}
    for name in done:
        masks = sorted((out / "Annotations" / name).glob("*.png"))
        assert len(masks) == len(list((out / "JPEGImages" / name).glob("*.jpg"))) == 4 * agrees
        for n, file in enumerate(masks):
            mask = read_mask(file)
            assert set(np.unique(mask)) <= {0, 1, VOID_ID}
            assert pseudo_labels.iou(mask == 1, _square(n + int(name[-5:]))) > 0.8
    # What is done is not done again, and training reads the tree as it is.
    monkeypatch.setattr(pseudo_labels, "label_stretch", None)
    assert pseudo_labels.main([*command, "--frames", "4", "--stretches", "2", "--every", "1"]) == 0
    if agrees:
        assert [len(video.images) for video in davis_sequences(out, image_set=None, resolution=None)] == [4, 4]


def test_a_clip_without_the_frames_it_promises_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, frames in (("one", 1), ("short", 12), ("square", 12)):
        _square_video(tmp_path / "clips" / f"{name}.mp4", frames)
    (tmp_path / "clips" / "._square.mp4").write_bytes(b"macOS")
    plan = pseudo_labels.plan

    def promising(path: Path, *counts: int) -> list[pseudo_labels.Stretch]:
        is_short = path.stem == "short"
        return [pseudo_labels.Stretch(path, start, 4, 1) for start in (10, 40)] if is_short else plan(path, *counts)

    monkeypatch.setattr(pseudo_labels, "plan", promising)
    monkeypatch.setattr(pseudo_labels, "open_mobile_sam", lambda _: _Oracle(True))
    out = tmp_path / "tree"
    command = [str(tmp_path / "clips"), "--sam", "x", "--teacher", "student", "--out", str(out)]
    assert pseudo_labels.main([*command, "--frames", "4", "--stretches", "1", "--every", "1"]) == 0
    assert list(json.loads((out / pseudo_labels.DONE).read_text())) == ["square_00003"]
    assert "short.mp4: 2 of 4 frames from frame 10 on decode" in caplog.text
    assert "short.mp4 has no frame 40" in caplog.text


def _square(n: int) -> np.ndarray:
    mask = np.zeros((64, 96), bool)
    mask[20:46, 20 + n : 46 + n] = True
    return mask


@pytest.mark.parametrize(("back_at", "objects"), [(0, 1), (12, 0)])
def test_what_does_not_return_to_where_it_began_is_dropped(
    monkeypatch: pytest.MonkeyPatch, back_at: int, objects: int
) -> None:
    """The way there is true; the way back ends at the object's place moved by `back_at` pixels."""
    ways = iter([0, back_at])

    class Follows:
        def __init__(self, _: object) -> None:
            self.shift = next(ways)

        def segment(self, images: list[np.ndarray], masks: dict[int, np.ndarray]) -> list[np.ndarray]:
            return [np.roll(image[..., 0] // 255, self.shift, axis=1) for image in images]

    monkeypatch.setattr(pseudo_labels, "VideoSegmenter", Follows)
    images = [np.where(_square(n)[..., None], 255, 0).repeat(3, 2).astype(np.uint8) for n in range(3)]
    masks = pseudo_labels.label(images, cast(Any, _Oracle(True)), cast(Any, None), 3)
    assert len([] if masks is None else object_ids(masks[0])) == objects


def test_what_is_kept_is_numbered_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two objects the first does not return: the second becomes 1, and what was the first is background."""
    first = np.zeros((8, 12), np.uint8)
    first[:, :4], first[:, 8:] = 1, 2
    ways = iter([first, np.where(first == 1, np.uint8(0), first)])

    class Follows:
        def __init__(self, _: object) -> None:
            self.mask = next(ways)

        def segment(self, images: list[np.ndarray], masks: dict[int, np.ndarray]) -> list[np.ndarray]:
            return [self.mask] * len(images)

    monkeypatch.setattr(pseudo_labels, "VideoSegmenter", Follows)
    monkeypatch.setattr(pseudo_labels, "propose", lambda *_: first)
    monkeypatch.setattr(pseudo_labels, "_in_box", lambda sam, embedding, mask: mask)
    images = [np.zeros((8, 12, 3), np.uint8)] * 3
    masks = pseudo_labels.label(images, cast(Any, _Oracle(True)), cast(Any, None), 3)
    assert masks is not None
    for mask in masks:
        np.testing.assert_array_equal(mask, np.where(first == 2, 1, 0))


def test_a_clip_that_is_too_short_or_no_clip_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _square_video(tmp_path / "square.mp4", frames=6)
    monkeypatch.setattr(pseudo_labels, "open_mobile_sam", lambda _: _Oracle(True))
    rest = ["--sam", "x", "--out", str(tmp_path / "tree")]
    assert pseudo_labels.main([str(tmp_path / "square.mp4"), *rest]) == 2
    assert "no clip has 48 frames" in caplog.text
    for option in ("--frames", "--every", "--stretches", "--objects", "--short-side"):
        with pytest.raises(SystemExit, match="2"):
            pseudo_labels.main([str(tmp_path / "square.mp4"), *rest, option, "0"])
    (tmp_path / "b").mkdir()
    assert pseudo_labels.main([str(tmp_path / "square.mp4"), str(tmp_path / "b" / "square.mp4"), *rest]) == 2
    assert "have one name" in caplog.text
    (tmp_path / "text.mp4").write_text("no film")
    assert pseudo_labels.main([str(tmp_path / "text.mp4"), *rest]) == 2
    assert "text.mp4" in caplog.text
