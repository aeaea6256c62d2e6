"""Memory of a process that holds many buffers of a megabyte, and makes many objects, for moments."""

from __future__ import annotations

import ctypes
import gc
import sys

_M_MMAP_THRESHOLD = -3  # malloc.h
BUFFER_BYTES = 128 << 10
YOUNG_OBJECTS = 50_000


def give_buffers_back() -> None:
    """Let glibc return every freed buffer from `BUFFER_BYTES` on to the system.

    By default the threshold grows with the largest buffer that was freed, up to 32 MB, and the heap keeps what is
    below it: 187 instead of 106 MB after a burst (benchmarks/receiver_memory.py).  Other C libraries have no such dial.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, BUFFER_BYTES)


def collect_rarely() -> None:
    """Look for reference cycles seldom, and never among what is there already.

    A request makes thousands of objects and no cycle; looking for some took a tenth of the receiver's CPU.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 100)
