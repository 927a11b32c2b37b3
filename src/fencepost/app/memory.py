"""How the process uses memory: measured, and set once at the start (docs/performance.md)."""

import ctypes
import gc

YOUNG = (10_000, 20, 20)
"""Objects until the collector of cycles looks at the youngest: a busy second makes many, and few cycles."""
M_ARENA_MAX = -8
"""The number by which glibc's `mallopt` knows how many arenas there may be (malloc.h)."""


def set_up_memory() -> None:
    """
    Set the allocator and the collector up; to be called before there are threads.

    With an arena for each thread glibc never gives back what bodies of messages took while they went from
    thread to thread: 5 MB a minute under load. One arena is no slower, for one thread at a time runs Python.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none, and no such arenas
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
    gc.set_threshold(*YOUNG)


def set_memory_aside() -> None:
    """
    Spare what lives on from being looked through by the collector of cycles.

    With 100,000 devices each such look would stop everything for 200 ms, and there is no cycle among them.
    """
    gc.collect()
    gc.freeze()
