"""What processes take while they are looked at, twice a second."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

_EVERY_S = 0.5


@dataclass
class Usage:
    """Of one process: resident memory (MiB) at each look, and processor seconds so far."""

    process: psutil.Process
    rss: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    begun_s: float = 0.0

    def count(self) -> None:
        """Count the processor seconds from here on: starting a program costs some."""
        self.look()
        self.begun_s = self.cpu_s

    @property
    def counted_s(self) -> float:
        """Processor seconds from `count` to the last look."""
        return self.cpu_s - self.begun_s

    def look(self) -> None:
        self.rss.append(self.process.memory_info().rss / (1 << 20))
        times = self.process.cpu_times()
        self.cpu_s = times.user + times.system

    @property
    def grown(self) -> float:
        """How much more memory it has at the end than after a quarter of the time (MiB)."""
        return self.rss[-1] - self.rss[len(self.rss) // 4]


@contextmanager
def watching(pids: dict[str, int]) -> Iterator[dict[str, Usage]]:
    """Look at processes for as long as the block runs."""
    used = {name: Usage(psutil.Process(pid)) for name, pid in pids.items()}
    for usage in used.values():
        usage.look()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_EVERY_S):
            for usage in used.values():
                usage.look()

    thread = threading.Thread(target=watch, name="watching")
    thread.start()
    try:
        yield used
    finally:
        over.set()
        thread.join()
