"""What the C library does with memory that is given back."""

from __future__ import annotations

import numpy as np

_LARGEST = 31 << 20  # glibc's limit is 32 MiB


def keep_freed_memory() -> None:
    """Let arrays of up to some MiB be made of memory that others have given back.

    glibc gets arrays of 128 KiB and more from the kernel, page by page, and returns them at once,
    until a larger one was given back: from then on it keeps up to twice as much for the next.
    This gives one back that was never touched.  With another C library nothing changes.
    """
    np.empty(_LARGEST, np.uint8)
