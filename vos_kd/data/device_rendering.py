"""Scenes to clips with `grid_sample`, a whole batch at a time, on any device.

The same scene gives the same clip as `rendering.render` up to rounding; only the guessed colours of holes differ a
little more, because canvases have other sizes than photos.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vos_kd.data import warps
from vos_kd.data.clips import ClipBatch, one_hot
from vos_kd.data.masks import VOID_ID
from vos_kd.data.rendering import FILL_STRIDE, GRAIN, HOLE_MARGIN
from vos_kd.data.scenes import MIN_OBJECT_PIXELS, Layer, Scene


class Canvases(NamedTuple):
    """Photos of different sizes in one tensor."""

    pixels: Tensor
    """uint8 `[N, 4, h, w]`: red, green, blue and object id, top left, 0 beyond."""
    sizes: Tensor
    """int64 `[N, 2]`: height and width of each photo."""

    @property
    def inside(self) -> Tensor:
        """Where there is a photo: bool `[N, h, w]`."""
        rows = torch.arange(self.pixels.shape[2], device=self.sizes.device)[:, None]
        columns = torch.arange(self.pixels.shape[3], device=self.sizes.device)
        return (rows < self.sizes[:, 0, None, None]) & (columns < self.sizes[:, 1, None, None])


Gather = Callable[[Sequence[int]], Canvases]
"""Photo indices to their pixels."""


@torch.no_grad()
def render_scenes(scenes: Sequence[Scene], gather: Gather, max_objects: int = 3) -> ClipBatch | None:
    """Make a batch of scenes of one size and length.

    Args:
        scenes: at least one.
        gather: gives the photos.
        max_objects: O of the batch.

    Returns:
        The batch, clips that show no object replaced by others of it; None if none shows one.
    """
    images, labels = _compose(scenes, gather)
    images = _recolour(images, scenes)
    images, labels, object_valid = _keep_visible(images, labels, max_objects)
    has_object = object_valid.any(dim=1)
    if not bool(has_object.any()):
        return None
    # Rows without an object are replaced by the sound ones, in turn.
    sound = torch.nonzero(has_object)[:, 0]
    rows = torch.where(
        has_object, torch.arange(len(scenes), device=sound.device), sound[torch.cumsum(~has_object, 0) % len(sound)]
    )
    labels = labels[rows]
    return ClipBatch(images[rows], one_hot(labels, max_objects), labels != VOID_ID, object_valid[rows])


def _compose(scenes: Sequence[Scene], gather: Gather) -> tuple[Tensor, Tensor]:
    """Paint all layers: float images `[B, T, 3, H, W]` in 0-255 and uint8 labels `[B, T, H, W]`."""
    size = scenes[0].size
    grounds = [scene.layers[0] for scene in scenes]
    images, labels = _ground(grounds, gather([layer.photo for layer in grounds]), size)
    for depth in range(1, max(len(scene.layers) for scene in scenes)):
        rows = [row for row, scene in enumerate(scenes) if len(scene.layers) > depth]
        layers = [scenes[row].layers[depth] for row in rows]
        colours, shape = _cut_outs(layers, gather([layer.photo for layer in layers]), size)
        at = torch.tensor(rows, device=images.device)
        images[at] = images[at] * (1 - colours[:, :, 3:] / 255) + colours[:, :, :3]
        images[at] = images[at].clamp(max=255)
        names = torch.tensor([layer.label for layer in layers], dtype=torch.uint8, device=images.device)
        labels[at] = torch.where(shape, names[:, None, None, None], labels[at])
    return images, labels


def _ground(layers: Sequence[Layer], canvas: Canvases, size: warps.Size) -> tuple[Tensor, Tensor]:
    ids, device = canvas.pixels[:, 3], canvas.pixels.device
    holes = torch.stack(
        [
            torch.isin(i, torch.tensor(layer.holes, dtype=torch.uint8, device=device))
            for i, layer in zip(ids, layers, strict=True)
        ]
    )
    colours = _fill(canvas.pixels[:, :3].float(), holes, canvas)
    at = _full_maps(layers, size, device)  # [N, T, H, W, 2]
    limits = canvas.sizes.flip(1)[:, None, None, None]  # width and height, as x and y
    # Mirrored at the photo's border, half a pixel beyond its last pixel: not the canvas's border.
    mirrored = torch.remainder(at + 0.5, 2 * limits)
    mirrored = torch.minimum(mirrored, 2 * limits - mirrored) - 0.5
    images = _sample(colours, torch.minimum(mirrored.clamp(min=0), limits - 1), "bilinear")
    images = _streak(images, layers, "reflect")
    rounded = at.round()
    unknown = ((rounded < 0) | (rounded >= limits)).any(dim=-1)
    return images, unknown.to(torch.uint8) * VOID_ID


def _cut_outs(layers: Sequence[Layer], canvas: Canvases, size: warps.Size) -> tuple[Tensor, Tensor]:
    """Colours times alpha, and alpha, `[N, T, 4, H, W]` in 0-255; and where the mask is, bool `[N, T, H, W]`."""
    device = canvas.pixels.device
    wanted = torch.tensor([layer.object_id for layer in layers], device=device)[:, None, None]
    whole = wanted == 0
    alpha = torch.where(whole, canvas.inside, canvas.pixels[:, 3] == wanted)[:, None].float()
    # As in `rendering.cut_from`: the rim takes its colour from within; a whole photo has no rim.
    core = torch.where(whole[:, None], alpha, -_widen(-alpha, 3))
    colours = canvas.pixels[:, :3].float()
    sums = _blur(torch.cat([colours * core, core], dim=1), 5)
    spread = sums[:, :3] / sums[:, 3:].clamp(min=1e-6)
    colours = torch.where((core > 0) | (sums[:, 3:] < 1e-6), colours, spread) * alpha
    at = _full_maps(layers, size, device)
    soft = _low_pass(torch.cat([colours, 255 * alpha], dim=1), layers) * canvas.inside[:, None]
    out = _sample(soft, at, "bilinear")
    out = _streak(out, layers, "constant")
    gain = torch.tensor([layer.gain for layer in layers], device=device)[:, None, None, None, None]
    out[:, :, :3] = (out[:, :, :3] * gain).clamp(max=255)
    return out, _sample(alpha, at, "nearest")[:, :, 0] > 0


def _full_maps(layers: Sequence[Layer], size: warps.Size, device: torch.device) -> Tensor:
    """Source x and y of every output pixel, `[N, T, H, W, 2]`."""
    coarse = torch.from_numpy(np.stack([layer.maps for layer in layers])).to(device)
    count, frames, rows, columns, _ = coarse.shape
    flat = coarse.reshape(-1, rows, columns, 2).permute(0, 3, 1, 2)
    fine = F.interpolate(flat, scale_factor=warps.CELL, mode="bilinear", align_corners=False)
    fine = fine[:, :, warps.CELL : warps.CELL + size[0], warps.CELL : warps.CELL + size[1]]
    return fine.permute(0, 2, 3, 1).reshape(count, frames, *size, 2)


def _sample(source: Tensor, at: Tensor, mode: str) -> Tensor:
    """Look up `[N, C, h, w]` at pixel positions `[N, T, H, W, 2]`, 0 beyond: `[N, T, C, H, W]`."""
    count, frames, height, width, _ = at.shape
    extent = torch.tensor([source.shape[3], source.shape[2]], device=at.device)
    # Positions are pixel centres: with align_corners=False, -1 is half a pixel before the first.
    grid = ((2 * at + 1) / extent - 1).reshape(count, frames * height, width, 2)
    out = F.grid_sample(source, grid, mode=mode, padding_mode="zeros", align_corners=False)
    return out.reshape(count, -1, frames, height, width).transpose(1, 2)


def _low_pass(planes: Tensor, layers: Sequence[Layer]) -> Tensor:
    """Each layer's own blur of `[N, C, h, w]`, with zeros beyond the border."""
    rows = [row for row, layer in enumerate(layers) if layer.blur]
    if not rows:
        return planes
    kernels = torch.from_numpy(np.stack([warps.low_pass(layers[row].blur) for row in rows])).to(planes.device)
    part = planes[rows]
    weight = kernels.repeat_interleave(part.shape[1], dim=0)[:, None, :, None]  # [N * C, 1, K, 1]
    flat = part.reshape(1, -1, *part.shape[2:])
    for way, padding in ((weight, (warps.BLUR_REACH, 0)), (weight.transpose(2, 3), (0, warps.BLUR_REACH))):
        flat = F.conv2d(flat, way, padding=padding, groups=len(way))
    planes = planes.clone()
    planes[rows] = flat.reshape(part.shape)
    return planes


def _streak(images: Tensor, layers: Sequence[Layer], border: str) -> Tensor:
    """Motion blur of `[N, T, C, H, W]` by each layer's and frame's own kernel."""
    rows = [row for row, layer in enumerate(layers) if layer.kernels is not None]
    if not rows:
        return images
    kernels = torch.from_numpy(np.stack([k for layer in layers if (k := layer.kernels) is not None])).to(images.device)
    part = images[rows]
    count, frames, channels, height, width = part.shape
    margin = warps.KERNEL // 2
    planes = F.pad(part.reshape(1, -1, height, width), (margin,) * 4, mode=border)
    weight = kernels.reshape(-1, 1, 1, warps.KERNEL, warps.KERNEL).expand(-1, channels, -1, -1, -1)
    blurred = F.conv2d(planes, weight.reshape(-1, 1, warps.KERNEL, warps.KERNEL), groups=count * frames * channels)
    images[rows] = blurred.reshape(part.shape)
    return images


def _widen(planes: Tensor, side: int) -> Tensor:
    """Maximum over squares; what lies beyond the border does not count. In two passes, which is what makes it fast."""
    rows = F.max_pool2d(planes, (side, 1), stride=1, padding=(side // 2, 0))
    return F.max_pool2d(rows, (1, side), stride=1, padding=(0, side // 2))


def _blur(planes: Tensor, side: int) -> Tensor:
    """Mean over squares, with zeros beyond the border."""
    rows = F.avg_pool2d(planes, (side, 1), stride=1, padding=(side // 2, 0))
    return F.avg_pool2d(rows, (1, side), stride=1, padding=(0, side // 2))


def _fill(colours: Tensor, holes: Tensor, canvas: Canvases) -> Tensor:
    """Fill holes `[N, h, w]` of `[N, 3, h, w]` as `rendering.fill_holes` does."""
    wide = _widen(holes[:, None].float(), HOLE_MARGIN)
    known = (1 - wide) * canvas.inside[:, None]
    height, width = holes.shape[1:]
    weighted = torch.cat([colours * known, known], dim=1)
    pushed = F.adaptive_avg_pool2d(weighted, (-(-height // FILL_STRIDE), -(-width // FILL_STRIDE)))
    filled = F.interpolate(_pull(pushed), (height, width), mode="bilinear", align_corners=False)
    means = _blur(weighted, GRAIN)
    grain = (colours - means[:, :3] / means[:, 3:].clamp(min=1e-6)) * known
    photo_width = canvas.sizes[:, 1:]
    aside = torch.remainder(torch.arange(width, device=colours.device) - photo_width // 2, photo_width)  # [N, w]
    filled = (filled + torch.gather(grain, 3, aside[:, None, None].expand(grain.shape))).clamp(0, 255)
    feather = _blur(wide, 3)
    return colours + (filled - colours) * feather


def _pull(pushed: Tensor) -> Tensor:
    weight = pushed[:, 3:]
    if min(pushed.shape[2:]) <= 2:
        mean = pushed[:, :3].sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True).clamp(min=1e-6)
        return mean.expand(-1, -1, *pushed.shape[2:])
    half = F.adaptive_avg_pool2d(pushed, (-(-pushed.shape[2] // 2), -(-pushed.shape[3] // 2)))
    beyond = F.interpolate(_pull(half), pushed.shape[2:], mode="bilinear", align_corners=False)
    return pushed[:, :3] + (1 - weight) * beyond


def _recolour(images: Tensor, scenes: Sequence[Scene]) -> Tensor:
    """Colour jitter of `[B, T, 3, H, W]` in 0-255; gives uint8."""
    matrix = torch.from_numpy(np.stack([scene.colours.matrix for scene in scenes])).to(images.device)
    gamma = torch.from_numpy(np.stack([scene.colours.gamma for scene in scenes])).to(images.device)
    mixed = torch.einsum("btij,btjhw->btihw", matrix[..., :3], images / 255) + matrix[..., 3, None, None]
    curved = mixed.clamp(0, 1) ** gamma[:, :, None, None, None]
    return (255 * curved).round().to(torch.uint8)


def _keep_visible(images: Tensor, labels: Tensor, max_objects: int) -> tuple[Tensor, Tensor, Tensor]:
    """As `clips.keep_visible`, for a batch: also gives which objects there are, bool `[B, O]`."""
    seen = one_hot(labels[:, [0, -1]], max_objects).sum((3, 4)) >= MIN_OBJECT_PIXELS  # [B, 2, O]
    backwards = (seen[:, 1].sum(1) > seen[:, 0].sum(1))[:, None, None, None]
    labels = torch.where(backwards, labels.flip(1), labels)
    images = torch.where(backwards[..., None], images.flip(1), images)
    visible = torch.where(backwards[:, :, 0, 0], seen[:, 1], seen[:, 0])
    # New labels count up over the visible ones; the rest is background, void stays.
    table = torch.zeros((len(labels), 256), dtype=torch.uint8, device=labels.device)
    table[:, 1 : max_objects + 1] = (visible.cumsum(1) * visible).to(torch.uint8)
    table[:, VOID_ID] = VOID_ID
    labels = torch.gather(table, 1, labels.flatten(1).long()).reshape(labels.shape)
    count = visible.sum(1, keepdim=True)
    return images, labels, torch.arange(max_objects, device=labels.device) < count
