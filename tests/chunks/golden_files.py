"""Golden files: what is encoded, its bytes, and their hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def write(
    folder: Path, makers: Mapping[str, Callable[[], Any]], block_of: Callable[[Any], bytes]
) -> None:
    """Write all golden files of a channel: only for a new format version."""
    folder.mkdir(exist_ok=True)
    sums = {}
    for name, make in makers.items():
        golden = json.loads(json.dumps(make()))
        block = block_of(golden)
        (folder / f"{name}.json").write_text(json.dumps(golden) + "\n")
        (folder / f"{name}.bin").write_bytes(block)
        sums[name] = hashlib.blake2b(block, digest_size=32).hexdigest()
    lines = [f"{digest}  {name}\n" for name, digest in sorted(sums.items())]
    (folder / "BLAKE2B").write_text("".join(lines))
