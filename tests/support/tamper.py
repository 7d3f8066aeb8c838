"""A node whose store holds what nobody signed."""

from __future__ import annotations

import subprocess

from support.commands import Machine
from support.directories import ROOT

from tradercast.log.node import find_node

# Writes a changed block as the store itself would: its checksums are right, the signature is not.
_FORGE = """
const Corestore = require('corestore')
async function main([dir, fraction]) {
  const store = new Corestore(dir)
  await store.ready()
  let archive = null
  for await (const discoveryKey of store.list()) {
    const core = store.get({ discoveryKey })
    await core.ready()
    if (archive === null || core.byteLength > archive.byteLength) archive = core
  }
  const index = 2 * Math.floor((archive.length / 2) * Number(fraction))
  const block = Buffer.from(await archive.get(index, { wait: false }))
  block[block.length >> 1] ^= 1
  const tx = archive.core.storage.write()
  tx.putBlock(index, block)
  await tx.flush()
  await store.close()
}
main(process.argv.slice(1)).catch((err) => { console.error(err); process.exit(1) })
"""


def forge(machine: Machine, fraction: float = 0.5) -> None:
    """Flip one bit in a stored chunk so that the store notices nothing, as a liar does.

    Parameters
    ----------
    machine : Machine
        Holds one feed with all chunks.
    fraction : float
        Which chunk: how far it is from the first to the last.
    """
    machine.rest()
    done = subprocess.run(
        [str(find_node().path), "-e", _FORGE, str(machine.data_dir / "store"), str(fraction)],
        cwd=ROOT / "node_bridge",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
