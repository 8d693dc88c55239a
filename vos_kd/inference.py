"""`VideoSegmenter`: follows objects through one video, frame by frame, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from vos_kd.config import MemoryConfig
from vos_kd.data.masks import VOID_ID, object_ids, require_size
from vos_kd.errors import InputError
from vos_kd.geometry import AT_ONCE, FrameGeometry
from vos_kd.model import Model
from vos_kd.modeling.aggregation import soft_aggregate
from vos_kd.modeling.distractors import without_distractors
from vos_kd.modeling.layers import upsample
from vos_kd.modeling.memory import MemoryBank
from vos_kd.modeling.network import FrameFeatures, ObjectPrior

Image = np.ndarray | Tensor


class VideoSegmenter:
    """The state of one video: its memory bank, its objects, and what is known of them from the last frame.

    Make one for each video; the model is shared. Object ids are the caller's (1-254, in any order, gaps allowed).

    Args:
        model: from `vos_kd.load_model`.
        memory: what to remember; the model's own setting by default.
        short_side: frames whose shorter side is above it are segmented at that size; masks come back at the frame's. By
            default the model's own size; 0: frames stay as they are.
        max_side: likewise for the longer side; the smaller result of both counts.
    """

    def __init__(
        self,
        model: Model,
        *,
        memory: MemoryConfig | None = None,
        short_side: int | None = None,
        max_side: int | None = None,
    ) -> None:
        for name, value in (("short_side", short_side), ("max_side", max_side)):
            if value and value < 16:
                raise InputError(f"{name} is {value}; the network needs 16 pixels or more.")
        self.model = model
        self.memory = MemoryBank(memory or model.config.memory)
        self.short_side = model.config.short_side if short_side is None else short_side
        self.max_side = max_side
        self.object_ids: list[int] = []
        """Objects followed, in the order they joined; their position is the object index of every tensor here."""
        self.frame_index = -1
        """Index of the last frame given to `step`."""
        self._first_index = 0
        self._geometry: FrameGeometry | None = None
        self._prior: ObjectPrior | None = None
        self._before: Tensor | None = None
        """Probabilities of the followed objects in the last frame, as `memorize` got them."""

    def segment(self, frames: Iterable[Image], masks: Mapping[int, np.ndarray]) -> Iterator[np.ndarray]:
        """Segment a clip lazily.

        Args:
            frames: see `step`.
            masks: frame index -> mask given there; 0 must be among them unless objects join later.

        Yields:
            One mask a frame, see `step`.
        """
        for index, image in enumerate(frames):
            yield self.step(image, masks.get(index))

    @torch.inference_mode()
    def step(
        self, image: Image, masks: np.ndarray | Tensor | None = None, object_ids: Sequence[int] | None = None
    ) -> np.ndarray:
        """Segment the next frame.

        Args:
            image: RGB, numpy uint8 `[H, W, 3]`, or torch `[3, H, W]` uint8 or float in 0-1. All frames have one size.
            masks: uint8 `[H, W]` of object ids, where masks are known: for the first frame, for objects that join, or
                to correct what was predicted. 255 (void) is where nothing is known: there, followed objects are
                predicted.
            object_ids: the objects that `masks` speaks for; by default those that it shows. Name one that it does not
                show to say that the object is out of sight. Objects not named are predicted as in any frame.

        Returns:
            uint8 `[H, W]` of object ids; 0 is background. Given objects come back exactly as given.

        Raises:
            InputError: wrong shape or type of `image`, `masks` of another size or with an id out of range, or a frame
                of another size than the first.
        """
        geometry = self._check_frame(image)
        if isinstance(masks, Tensor):
            masks = masks.cpu().numpy()
        given = self._check_masks(masks, object_ids, geometry)
        self._geometry = geometry  # the video's from now on: frame and mask are sound
        if not self.object_ids and not given:
            self.frame_index += 1
            return np.zeros((geometry.height, geometry.width), np.uint8)

        network = self.model.network
        frame = geometry.network_input(image, network.image_mean, self.model.device, self.model.dtype)
        features, all_probs = self.look(frame)
        predicted = dict(zip(self.object_ids, all_probs, strict=True))
        probs = {i: p for i, p in predicted.items() if i not in given}
        if masks is not None and given:
            probs, out = self._merge(masks, given, predicted, geometry)
        else:
            out = self._to_ids(probs, geometry)
        if not self.object_ids:
            self._first_index = self.frame_index + 1
        self.frame_index += 1
        self.object_ids += [i for i in given if i not in self.object_ids]
        self.memorize(frame, features, torch.stack([probs[i] for i in self.object_ids]), given)
        return out

    def drop(self, object_id: int) -> None:
        """Stop following an object and forget it.

        Raises:
            InputError: it is not followed.
        """
        if object_id not in self.object_ids:
            known = ", ".join(map(str, self.object_ids)) or "none"
            raise InputError(f"object {object_id} is not followed; the objects are {known}.")
        index = self.object_ids.index(object_id)
        kept = [n for n in range(len(self.object_ids)) if n != index]
        if self._prior is not None:
            self._prior = ObjectPrior(self._prior.value[:, kept], self._prior.mask[:, kept])
        if self._before is not None:
            self._before = self._before[kept]
        del self.object_ids[index]
        self.memory.drop(object_id)

    # `look` and `memorize` are all that the network does for a frame; what benchmarks call "network only".

    def look(self, frame: Tensor) -> tuple[FrameFeatures, Tensor]:
        """Encode a frame and find the followed objects in it.

        Args:
            frame: `[1, 3, H, W]` as `FrameGeometry.network_input` gives it.

        Returns:
            The frame's features, and the probabilities of the followed objects, each for itself: float32
            `[O, H/s, W/s]`, s the network's `mask_stride`; O may be 0.
        """
        network = self.model.network
        features = network.encode_key(frame)
        if not self.object_ids:
            return features, frame.new_zeros(0)
        readout = self.memory.read(features.key[0], self.object_ids)
        logits = network.segment(features, readout[None], self._prior).float()
        if network.logit_stride != network.mask_stride:
            logits = upsample(logits, network.logit_stride // network.mask_stride)
        probs = torch.sigmoid(logits)[0]
        reach = self.memory.config.reach
        if reach is not None and self._before is not None:
            probs = without_distractors(probs, self._before, reach)
        return features, probs

    def memorize(self, frame: Tensor, features: FrameFeatures, probs: Tensor, given: Sequence[int]) -> None:
        """Remember a frame, where the memory's rules ask for it.

        Args:
            frame: as for `look`.
            features: what `look` gave.
            probs: `[O, H/s, W/s]` of the followed objects.
            given: the objects whose masks were given; only these are kept as such, the others were predicted.
        """
        self._before = probs
        config = self.memory.config
        network = self.model.network
        is_memory_frame = (self.frame_index - self._first_index) % config.memory_interval == 0
        is_recent = is_memory_frame or config.keep_previous
        if not (given or is_recent or network.uses_prior):
            return
        masks = torch.softmax(soft_aggregate(probs, dim=0), dim=0)[1:][None].to(self.model.dtype)
        value = network.encode_value(frame, features, masks)
        if network.uses_prior:
            self._prior = ObjectPrior(value, masks)
        values = dict(zip(self.object_ids, value[0], strict=True))
        key, shrinkage = features.key[0], None if features.shrinkage is None else features.shrinkage[0]
        if given:
            self.memory.add(key, shrinkage, {i: values[i] for i in given}, is_given=True)
        predicted = {i: v for i, v in values.items() if i not in given}
        if is_recent and predicted:
            self.memory.add(key, shrinkage, predicted, is_provisional=not is_memory_frame)

    def _merge(
        self, masks: np.ndarray, given: Sequence[int], predicted: Mapping[int, Tensor], geometry: FrameGeometry
    ) -> tuple[dict[int, Tensor], np.ndarray]:
        """Given masks and predictions together.

        Returns:
            Probabilities of all objects at the network's `mask_stride`, and the frame's mask. Where `masks` is void, an
            object that was followed before is predicted; a new one is not there.
        """
        stride, device = self.model.network.mask_stride, self.model.device
        told = geometry.mask_input(masks, [*given, VOID_ID], stride, device)
        void, shares = told[-1], dict(zip(given, told[:-1], strict=True))
        free = (1 - told.sum(0)).clamp(0, 1) + void  # where no given object is
        probs = {i: p * free for i, p in predicted.items() if i not in given}
        probs |= {i: share + void * predicted[i] if i in predicted else share for i, share in shares.items()}
        out = self._to_ids({i: p for i, p in predicted.items() if i not in given}, geometry)
        is_void = masks == VOID_ID
        if is_void.any():
            out[is_void] = self._to_ids(predicted, geometry)[is_void]
        shown = np.isin(masks, given)
        out[shown] = masks[shown]
        return probs, out

    def _to_ids(self, probs: Mapping[int, Tensor], geometry: FrameGeometry) -> np.ndarray:
        """The likeliest object at each pixel of the frame."""
        if not probs:
            return np.zeros((geometry.height, geometry.width), np.uint8)
        logits = soft_aggregate(torch.stack(list(probs.values())), dim=0)
        # Relative to the background: one map less to enlarge, and enlarging is linear, so nothing changes.
        relative = logits[1:] - logits[:1]
        ids = torch.tensor(list(probs), dtype=torch.uint8, device=relative.device)
        best, owner = relative.new_zeros(()), ids.new_zeros(())
        for some, named in zip(relative.split(AT_ONCE), ids.split(AT_ONCE), strict=True):
            maps = geometry.to_frame(some, self.model.network.mask_stride)
            if len(named) == 1:  # the usual case, without the search, which takes longer than all the rest here
                here, name = maps[0], named[0]
            else:
                here, index = maps.max(dim=0)
                name = named[index]
            owner = torch.where(here > best, name, owner)
            best = torch.maximum(here, best)
        out: np.ndarray = owner.cpu().numpy()
        return out

    def _check_frame(self, image: Image) -> FrameGeometry:
        index = self.frame_index + 1
        expected = "expected RGB as numpy uint8 [H, W, 3], or torch [3, H, W] of uint8 or of floats in 0-1"
        if isinstance(image, Tensor):
            is_image = image.dim() == 3 and image.shape[0] == 3
            is_image = is_image and (image.dtype == torch.uint8 or image.is_floating_point())
            height, width = (int(side) for side in image.shape[-2:]) if image.dim() > 1 else (0, 0)
        elif isinstance(image, np.ndarray):
            is_image = image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
            height, width = image.shape[:2] if image.ndim > 1 else (0, 0)
        else:
            raise InputError(f"frame {index} is a {type(image).__name__}; {expected}.")
        if not is_image or min(height, width) < 1:
            raise InputError(
                f"frame {index} is {type(image).__name__} {image.dtype} of shape {tuple(image.shape)}; {expected}."
            )
        if isinstance(image, Tensor) and not bool(torch.isfinite(image).all()):
            raise InputError(f"frame {index} has values that are not finite; {expected}.")
        if self._geometry is None:
            return FrameGeometry.fit(height, width, self.short_side, self.max_side)
        if (self._geometry.height, self._geometry.width) != (height, width):
            raise InputError(
                f"frame {index} is {width}x{height} but the video began with "
                f"{self._geometry.width}x{self._geometry.height}; make a new VideoSegmenter for another size."
            )
        return self._geometry

    def _check_masks(self, masks: np.ndarray | None, ids: Sequence[int] | None, geometry: FrameGeometry) -> list[int]:
        """The ids that `masks` speaks for."""
        if masks is None:
            if ids:
                raise InputError("object_ids were named without masks; give a mask, all zero if none is in sight.")
            return []
        name = f"of frame {self.frame_index + 1}"
        if not isinstance(masks, np.ndarray):
            raise InputError(f"the mask {name} is a {type(masks).__name__}; expected uint8 object ids [H, W].")
        if masks.dtype != np.uint8:
            raise InputError(
                f"the mask {name} is {masks.dtype}; expected uint8 object ids (vos_kd.read_mask gives them)."
            )
        require_size(masks, geometry.height, geometry.width, name)
        given = list(object_ids(masks) if ids is None else dict.fromkeys(int(i) for i in ids))
        if not given and ids is None and not self.object_ids and masks.any():
            raise InputError(
                f"the mask {name} holds 0 and 255 alone, and 255 is void; for a black and white mask give "
                "(mask > 0).astype('uint8'), or read it with vos_kd.read_mask."
            )
        wrong = [i for i in given if not 0 < i < VOID_ID]
        if wrong:
            raise InputError(f"the mask {name} speaks for object {wrong[0]}; ids are 1 to {VOID_ID - 1}.")
        return given
