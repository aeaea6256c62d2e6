"""Memory of a process that holds many buffers of a megabyte, and makes many objects, for moments."""

from __future__ import annotations

import ctypes
import gc
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
BUFFER_BYTES = 32 << 20
"""What glibc takes for the latter at most."""
YOUNG_OBJECTS = 50_000


def give_buffers_back() -> None:
    """Let glibc keep some freed buffers for the next ones, and return the rest to the system.

    By default it maps a buffer of a megabyte anew each time, and clears its pages: a third of the receiver's CPU; or,
    once a greater one was freed, keeps whatever there ever was (benchmarks/receiver_memory.py).  Other C libraries have
    no such dials.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, BUFFER_BYTES)
            mallopt(_M_TRIM_THRESHOLD, BUFFER_BYTES)


def collect_rarely() -> None:
    """Look for reference cycles seldom, and never among what is there already.

    A request makes thousands of objects and hardly a cycle; looking for some took a tenth of the receiver's CPU, and as
    much of the evaluator's.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 100)
