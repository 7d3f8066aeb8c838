"""Memory that the machine has at hand, so that its price is not a throw of the dice.

``python -m bench.memory``.  A virtual machine gives memory that nobody has used for a moment back
to its host, and to get it again costs many times what a kernel takes to clear it: 240 MB took 0.03
to 1.0 s, on either side by chance.  So a process takes and frees more than a run wants right before
the clock begins.  What a side then gets is as new to it as before: cleared and mapped by the
kernel.
"""

from __future__ import annotations

import mmap

WARMED_BYTES = 1 << 30


def main() -> None:
    """Touch each page once, and end."""
    with mmap.mmap(-1, WARMED_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_HUGEPAGE)
        for at in range(0, WARMED_BYTES, mmap.PAGESIZE):
            memory[at] = 1


if __name__ == "__main__":
    main()
