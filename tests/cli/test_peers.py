"""Peers for speed figures: what they tell, and that the board takes a speed file with an outside model in it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluation import peers
from evaluation.cli import main
from evaluation.moving_picture import moving_picture
from evaluation.peers import GMACS, Peer, PeerSegmenter, count_gmacs
from leaderboard.api import Api
from leaderboard.payload import make_payload
from leaderboard.readme import table
from leaderboard.store import load_board

HERE = Path(__file__).parent
RECORDS = Path(peers.__file__).parents[1] / "leaderboard" / "results"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled student's record, and a run that timed it beside an outside model that tells no network's time."""
    folder = tmp_path_factory.mktemp("results")
    (folder / "student.json").write_text((RECORDS / "student.davis2016.json").read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        options = ["--size", "48x80", "--frames", "2", "--warm-up", "1", "--objects", "1,2", "--device", "cpu"]
        models = "student_small,outside_models:Still"
        assert main(["speed", "--models", models, *options, "--output", str(folder / "speed.json")]) == 0
    return folder


def test_a_network_that_is_not_timed_alone_is_on_the_board(folder: Path) -> None:
    board = load_board(folder)
    assert board.problems == ()
    row = board.frame[board.frame["model"] == "Still"].iloc[0]
    assert (row["source"], row["role"], row["params"], row["gmacs"]) == ("architecture", "baseline", 7, 0.5)
    assert row["fps_end_to_end"] > 0
    assert math.isnan(row["fps_network"])
    assert math.isnan(row["jf_mean"])
    payload = make_payload(board)
    json.dumps(payload, allow_nan=False)
    shown = next(one for one in payload["rows"].values() if one["model"] == "Still")
    assert "fps_network" not in shown["text"]
    assert shown["text"]["fps_end_to_end"]
    json.dumps(Api(board).answer("costs", ["speed"]), allow_nan=False)
    assert Api(board).answer("detail", ["arch:Still", "speed"])["provenance"]["speed"]["command"].endswith("speed.json")


def test_the_readme_has_it_without_accuracy(folder: Path) -> None:
    line = next(line for line in table(load_board(folder)).splitlines() if "Still" in line)
    assert line.startswith("|  | Still (baseline, no weights) |  | ")
    assert line.endswith(" | 0.000 | 1.0 |")


def test_the_readme_says_no_ratio_that_is_not_known(folder: Path, tmp_path: Path) -> None:
    for name in ("student", "teacher"):
        (tmp_path / f"{name}.json").write_text((RECORDS / f"{name}.davis2016.json").read_text())
    speeds = json.loads((folder / "speed.json").read_text())
    speeds["models"] = {
        "student": speeds["models"]["student_small"],
        "b": speeds["models"]["Still"],
        "c": speeds["models"]["Still"],
    }
    (tmp_path / "speed.json").write_text(json.dumps(speeds))
    text = table(load_board(tmp_path))
    assert "Against its teacher the student has 1/11 of the parameters, 1/12 of the GFLOPs." in text
    assert "N/A" not in text


class Convolution(Peer):
    """One convolution a frame: 3 x 2 x 9 multiply-adds a pixel."""

    memory_policy = "none"

    def __init__(self) -> None:
        network = torch.nn.Module()
        network.add_module("conv", torch.nn.Conv2d(3, 2, 3, padding=1, bias=False))
        network.add_module("aux_head", torch.nn.Linear(5, 7))
        super().__init__("deaot_t", network, torch.device("cpu"), torch.float32)

    def start(self) -> PeerSegmenter:
        return ConvolutionSegmenter(self)


class ConvolutionSegmenter(PeerSegmenter):
    def __init__(self, peer: Peer) -> None:
        super().__init__(peer)
        self.network = peer.network

    @torch.inference_mode()
    def step(self, image, masks=None, object_ids=None):
        frame = torch.from_numpy(image).permute(2, 0, 1)[None].float()
        with self._timed():
            out = self.network.conv(frame).argmax(dim=1)[0]
        return out.numpy().astype(np.uint8)


def test_what_is_counted_and_timed() -> None:
    peer = Convolution()
    assert peer.parameters == 54, "what only training uses is not deployed"
    assert count_gmacs(peer, height=32, width=48, interval=3, warm_up=2) == pytest.approx(54 * 32 * 48 / 1e9)
    segmenter = peer.start()
    segmenter.step(np.zeros((32, 48, 3), np.uint8))
    assert 0 < segmenter.network_seconds < 60


PACKAGES = {"cutie_small": "cutie", "deaot_t": "aot"}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_peer_follows_its_objects(name: str) -> None:
    pytest.importorskip(PACKAGES[name], reason="an optional package, see evaluation/peers.py")
    peer = getattr(peers, name)("cpu", "float32")
    assert (peer.device, peer.dtype, peer.gmacs) == ("cpu", "float32", GMACS[name])
    image, mask = moving_picture(96, 160, 2)  # Cutie reads 30 positions: smaller frames have fewer
    mask[mask == 2] = 9
    mask[0, 0] = 255  # void is no object
    segmenter = peer.start()
    for index in range(3):
        out = segmenter.step(image(index), mask if index == 0 else None)
        assert (out.shape, out.dtype) == ((96, 160), np.uint8)
        assert set(np.unique(out)) <= {0, 1, 9}
        assert segmenter.network_seconds > 0
    assert peer.start().step(image(0), mask).shape == (96, 160), "a new video knows nothing of the last one"


def test_deaot_has_its_published_size_and_its_limits() -> None:
    pytest.importorskip("aot", reason="an optional package, see evaluation/peers.py")
    with pytest.raises(ValueError, match=r"dtype is bfloat16; DeAOT's code runs in float32 only"):
        peers.deaot_t("cpu", "bfloat16")
    peer = peers.deaot_t("cpu")
    assert peer.parameters == pytest.approx(7.2e6, rel=0.01)
    # Its memory has one size from the second frame on.
    assert count_gmacs(peer, warm_up=1, interval=1) == pytest.approx(GMACS["deaot_t"], abs=0.05)
    image, mask = moving_picture(64, 96, 1)
    segmenter = peer.start()
    with pytest.raises(ValueError, match="masks in the first frame"):
        segmenter.step(image(0))
    segmenter.step(image(0), mask)
    with pytest.raises(ValueError, match="only there"):
        segmenter.step(image(1), mask)
