"""Arrays to pictures that a browser shows."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from vos_kd.overlay import safe_palette


def shrink(image: np.ndarray, scale: float) -> np.ndarray:
    """An image at `scale`; itself where that is 1."""
    if scale >= 1:
        return image
    height, width = (max(2, 2 * round(side * scale / 2)) for side in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))


def jpeg(image: np.ndarray, quality: int = 85) -> bytes:
    """RGB uint8 `[H, W, 3]` as JPEG."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def tint_png(mask: np.ndarray, alpha: int = 140) -> bytes:
    """A mask as a transparent PNG in the objects' colours, to lie over its frame; a rim makes small ones visible.

    Args:
        mask: uint8 `[H, W]` of object ids.
        alpha: of the objects, 0-255.
    """
    colours = np.zeros((256, 4), np.uint8)
    colours[:, :3] = safe_palette()[:, ::-1]
    colours[1:255, 3] = alpha
    tinted = colours[mask]
    reach = np.ones((3, 3), np.uint8)
    rim = (cv2.dilate(mask, reach) != cv2.erode(mask, reach)) & (mask > 0)
    tinted[rim] = (255, 255, 255, 255)
    _, data = cv2.imencode(".png", tinted, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return data.tobytes()


def data_address(data: bytes, kind: str) -> str:
    """Bytes as an address that a browser opens without asking anybody."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def colour_names() -> list[str]:
    """Colours of objects 1, 2, ... as the page writes them."""
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in safe_palette()[1:11].tolist()]
