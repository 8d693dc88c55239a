"""Peers for speed figures beside ours: published light networks as their packages build them, with random weights.

Time and FLOPs do not depend on weights, so none are loaded, and no accuracy may be taken from these. Their packages are
no requirement of this project; install those that you want to see beside ours:

    pip install --no-deps rf-cutie einops omegaconf hydra-core antlr4-python3-runtime==4.9.3 deaotpy
    python evaluation/run.py speed --models student,evaluation.peers:cutie_small,evaluation.peers:deaot_t
    python -m evaluation.peers    # counts again what GMACS says
"""

from __future__ import annotations

import contextlib
import functools
import io
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import interpolate
from torch.utils.flop_counter import FlopCounterMode

from evaluation.moving_picture import moving_picture
from vos_kd import pick_device, pick_dtype

Ids = NDArray[np.uint8]

GMACS = {"cutie_small": 50.5, "cutie_base": 67.9, "deaot_t": 28.1}
"""Multiply-adds of a frame in 1e9, as `count_gmacs` counts them: 480x864, one object, memory full."""


class Peer:
    """A network of somebody else; see `evaluation.models.OutsideModel`."""

    memory_policy: str

    def __init__(self, name: str, network: torch.nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        """Take a network with the weights that it has.

        Args:
            name: key of `GMACS`.
            network: goes to the device.
            device: where it runs.
            dtype: through autocast if it is not float32.
        """
        self.network = network.eval().to(device)
        self.device, self.dtype, self.gmacs = str(device), str(dtype).removeprefix("torch."), GMACS[name]
        # Without what only training uses.
        self.parameters = sum(one.numel() for key, one in network.named_parameters() if not key.startswith("aux_"))

    def start(self) -> PeerSegmenter:
        """A segmenter for a new video."""
        raise NotImplementedError


class PeerSegmenter:
    """Follows the objects of one video, and tells what its network alone took."""

    def __init__(self, peer: Peer) -> None:
        self.network_seconds = 0.0
        self._device, self._dtype = torch.device(peer.device), getattr(torch, peer.dtype)

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        began = self._now()
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            yield
        self.network_seconds = self._now() - began

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def step(self, image: Ids, masks: Ids | None = None, object_ids: Sequence[int] | None = None) -> Ids:
        """Segment the next frame; see `evaluation.models.Segmenter`."""
        raise NotImplementedError


class Cutie(Peer):
    """Cutie (Cheng et al., "Putting the Object Back into Video Object Segmentation", CVPR 2024), package rf-cutie.

    Run as its `eval_vos.py` runs DAVIS: memory every fifth frame, at most four of them beside the first, top 30.
    """

    memory_policy = "first frame and every 5th, latest 4 kept; best 30 positions read"

    def __init__(self, encoder: str, device: str | None, dtype: str | None) -> None:
        """Build the network.

        Args:
            encoder: `small` (ResNet-18) or `base` (ResNet-50).
            device: as `vos_kd.load_model` takes it.
            dtype: likewise; by default what our models choose here.
        """
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"cutie\.")  # of names that torch renamed
        with _silence():
            from cutie.inference.utils.args_utils import get_dataset_cfg
            from cutie.model.cutie import CUTIE
            from hydra import compose, initialize_config_module

            with initialize_config_module("cutie.config", version_base="1.3.2"):
                self.config = compose("eval_config", overrides=[f"model={encoder}"])
            get_dataset_cfg(self.config)
            with _untrained_encoders():
                network = CUTIE(self.config)
        place = pick_device(device)
        super().__init__(f"cutie_{encoder}", network, place, pick_dtype(place, dtype))

    def start(self) -> PeerSegmenter:
        """A segmenter for a new video."""
        return _CutieSegmenter(self)


class _CutieSegmenter(PeerSegmenter):
    def __init__(self, peer: Cutie) -> None:
        from cutie.inference.inference_core import InferenceCore

        super().__init__(peer)
        self._core = InferenceCore(peer.network, cfg=peer.config)

    @torch.inference_mode()
    def step(self, image: Ids, masks: Ids | None = None, object_ids: Sequence[int] | None = None) -> Ids:
        frame = torch.from_numpy(image).to(self._device).permute(2, 0, 1).float() / 255
        given: tuple[Any, ...] = ()
        if masks is not None:
            ids = [int(n) for n in (np.unique(masks) if object_ids is None else object_ids) if n not in (0, 255)]
            given = (torch.from_numpy(masks).to(self._device), ids)
        with self._timed():
            probs = self._core.step(frame, *given)
        out: Ids = self._core.output_prob_to_mask(probs).to(torch.uint8).cpu().numpy()
        return out


class DeAOT(Peer):
    """DeAOT-T (Yang and Yang, "Decoupling Features in Hierarchical Propagation", NeurIPS 2022), package deaotpy.

    Run as its `eval.py` runs: of frames enlarged or shrunk to sides of 16 n + 1. Its compiled correlation is optional
    and not used; the package's own code in torch takes its place.
    """

    memory_policy = "first frame and the frame before; all positions read"

    def __init__(self, device: str | None, dtype: str | None) -> None:
        """Build the network.

        Args:
            device: as `vos_kd.load_model` takes it.
            dtype: float32, which is the default.

        Raises:
            ValueError: another dtype.
        """
        if dtype not in (None, "float32"):
            raise ValueError(f"dtype is {dtype}; DeAOT's code runs in float32 only. Leave --dtype out.")
        warnings.filterwarnings("ignore", message="torch.meshgrid", category=UserWarning)
        with _silence():
            from aot.configs.models.deaott import ModelConfig
            from aot.networks.models import build_vos_model

            self.config = ModelConfig()
            # Training settings, which the network wants to know and does not run by.
            self.config.TRAIN_ENCODER_FREEZE_AT = 0
            for key in ("EMB_DROPOUT", "ID_DROPOUT", "LT_DROPOUT", "ST_DROPOUT", "DROPPATH"):
                setattr(self.config, f"TRAIN_LSTT_{key}", 0.0)
            for key in ("DROPPATH_LST", "DROPPATH_SCALING"):
                setattr(self.config, f"TRAIN_LSTT_{key}", False)
            network = build_vos_model(self.config.MODEL_VOS, self.config)
        super().__init__("deaot_t", network, pick_device(device), torch.float32)

    def start(self) -> PeerSegmenter:
        """A segmenter for a new video."""
        return _DeAOTSegmenter(self)


class _DeAOTSegmenter(PeerSegmenter):
    def __init__(self, peer: DeAOT) -> None:
        from aot.networks.engines import build_engine

        super().__init__(peer)
        self._engine = build_engine(
            peer.config.MODEL_ENGINE,
            phase="eval",
            aot_model=peer.network,
            long_term_mem_gap=peer.config.TEST_LONG_TERM_MEM_GAP,
            short_term_mem_skip=peer.config.TEST_SHORT_TERM_MEM_SKIP,
        ).eval()
        self._ids: Ids | None = None
        mean, spread = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], device=self._device)
        self._mean, self._spread = mean[:, None, None], spread[:, None, None]

    @torch.inference_mode()
    def step(self, image: Ids, masks: Ids | None = None, object_ids: Sequence[int] | None = None) -> Ids:
        if (masks is None) != (self._ids is not None):
            raise ValueError("DeAOT is here for its speed: it takes masks in the first frame, and only there.")
        size = tuple(round((side - 1) / 16) * 16 + 1 for side in image.shape[:2])
        resized = torch.from_numpy(cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC)).to(self._device)
        frame = ((resized.permute(2, 0, 1).float() / 255 - self._mean) / self._spread)[None]
        if masks is not None:
            self._ids = np.setdiff1d(np.append(masks, np.uint8(0)), np.uint8(255))  # sorted, each once
            labels = np.where(masks == 255, 0, np.searchsorted(self._ids, masks)).astype(np.float32)
            given = interpolate(torch.from_numpy(labels).to(self._device)[None, None], size, mode="nearest")
            with self._timed():
                self._engine.add_reference_frame(frame, given, obj_nums=[len(self._ids) - 1], frame_step=0)
            return np.where(masks == 255, 0, masks)
        with self._timed():
            self._engine.match_propogate_one_frame(frame)
            logits = self._engine.decode_current_logits(image.shape[:2])
            label = logits.softmax(dim=1).argmax(dim=1, keepdim=True)
            self._engine.update_memory(interpolate(label.float(), size, mode="nearest"))
        assert self._ids is not None
        out: Ids = self._ids[label[0, 0].cpu().numpy()]
        return out


def cutie_small(device: str | None = None, dtype: str | None = None) -> Cutie:
    """Cutie with ResNet-18."""
    return Cutie("small", device, dtype)


def cutie_base(device: str | None = None, dtype: str | None = None) -> Cutie:
    """Cutie with ResNet-50."""
    return Cutie("base", device, dtype)


def deaot_t(device: str | None = None, dtype: str | None = None) -> DeAOT:
    """DeAOT with MobileNetV2, its smallest."""
    return DeAOT(device, dtype)


def count_gmacs(peer: Peer, *, height: int = 480, width: int = 864, interval: int = 5, warm_up: int = 26) -> float:
    """Multiply-adds of a frame in 1e9, one object: the mean over an interval of memory that is full.

    Args:
        peer: to count; it runs, so this takes minutes.
        height: of the frames.
        width: likewise.
        interval: frames to a memory frame.
        warm_up: frames before, to fill the memory; a multiple of `interval`, and one.
    """
    image, mask = moving_picture(height, width, 1)
    segmenter = peer.start()
    for index in range(warm_up):
        segmenter.step(image(index), mask if index == 0 else None)
    counter = FlopCounterMode(display=False)
    is_fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # the counter does not see into fused attention
    try:
        with sdpa_kernel(SDPBackend.MATH), counter:
            for index in range(warm_up, warm_up + interval):
                segmenter.step(image(index))
    finally:
        torch.backends.mha.set_fastpath_enabled(is_fast)
    return float(counter.get_total_flops()) / 2e9 / interval


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep what others print and warn of while they are built from the command's own output."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _untrained_encoders() -> Iterator[None]:
    """Keep Cutie from downloading ImageNet weights for its encoders."""
    from cutie.model.utils import resnet

    made = {name: getattr(resnet, name) for name in ("resnet18", "resnet50")}
    for name, make in made.items():
        setattr(resnet, name, functools.partial(_untrained, make))
    try:
        yield
    finally:
        for name, make in made.items():
            setattr(resnet, name, make)


def _untrained(make: Any, *, extra_dim: int = 0, **_: Any) -> Any:
    return make(pretrained=False, extra_dim=extra_dim)


def main() -> int:
    """Count what `GMACS` holds."""
    for make in (cutie_small, cutie_base, deaot_t):
        peer = make("cpu", "float32")
        sys.stdout.write(f"{make.__name__}: {count_gmacs(peer):.1f} GMACs, {peer.parameters:,} parameters\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
