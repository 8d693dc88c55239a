"""What our programs set for their whole process, before torch is imported. A library has no business with it."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

# glibc's mallopt: its parameters, from malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGE = 2**30


def prepare_process() -> None:
    """Make waiting threads sleep, and freed memory be used again.

    Threads of the network that wait by spinning take the cores from the encoders, or from whatever else runs, and the
    network waits for those: seen at 1.6 s a frame for 0.13 s. The variable is read once, when torch is imported.

    glibc gives blocks above 32 MB back to the system when they are freed, and gets new ones, page by page, for the next
    layer. A float32 feature at stride 2 of a 480p frame is that large. One arena, because those of threads cannot hold
    such blocks.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    mallopt = _libc("mallopt")
    if mallopt is not None:
        for parameter, value in ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _LARGE), (_TRIM_THRESHOLD, _LARGE)):
            mallopt(parameter, value)


def give_memory_back() -> None:
    """Return what is free to the system: for servers, when there is nothing to do."""
    trim = _libc("malloc_trim")
    if trim is not None:
        trim(0)


def _libc(name: str) -> Callable[..., int] | None:
    """A function of the C library; None where it has no such one, since it is not glibc."""
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):  # musl and macOS; no library; Windows
        return None
    return found
