"""A publisher that signs two histories: what a reader holds stays, and it says what happened."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest
from nacl.signing import SigningKey
from support.commands import Machine
from support.directories import ROOT
from support.feeds import market
from support.markets import publish
from support.rows import exported_rows
from support.stores import LOOPBACK, connect, open_store

from tradercast.feed.identity import Identity
from tradercast.feed.incident_files import check_incident
from tradercast.feeds import FeedId
from tradercast.log.node import find_node

FEED = FeedId("bitfinex", "btcusd")
HONEST = market(30_000, per_hour=9_000, jitter_s=0)
OTHER = market(60_000, per_hour=9_000, jitter_s=0, seed=7)

TAKE_BACK = """
const Corestore = require('corestore')
const [folder, publicKey, secretKey] = process.argv.slice(1)
const bytes = (text) => Buffer.from(text, 'hex')
const keyPair = { publicKey: bytes(publicKey), secretKey: bytes(secretKey) }
const manifest = { version: 1, signers: [{ publicKey: keyPair.publicKey }] }
async function main () {
  const store = new Corestore(folder)
  const core = store.get({ manifest, keyPair })
  await core.ready()
  const kept = await core.get(0)
  await core.truncate(1)
  for (let i = 0; i < 20; i++) await core.append(kept)
  console.log(core.fork, core.length)
  await store.close()
}
main()
"""


def forger_of(publisher: Machine, forger: Machine) -> None:
    """Give a machine the publisher's keys, as a thief or a restored backup has them."""
    forger.data_dir.mkdir(parents=True, mode=0o700)
    shutil.copytree(publisher.data_dir / "identity", forger.data_dir / "identity")
    (forger.data_dir / "identity" / "node.key").unlink()


def take_back(forger: Machine) -> None:
    """Cut the archive back to one block and go on otherwise: a higher fork, validly signed."""
    signer = Identity.load(forger.data_dir / "identity").archive_signer(FEED, "main")
    public, secret = bytes(signer.verify_key), bytes(signer)
    forger.rest()
    done = subprocess.run(
        [
            *(find_node().path, "-e", TAKE_BACK, forger.data_dir / "store"),
            *(public.hex(), (secret + public).hex()),
        ],
        cwd=ROOT / "node_bridge",
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout.split() == ["1", "21"]


async def meet(reader: Machine, forger: Machine) -> None:
    """Connect the two, when the reader has not opened any log since its restart."""
    async with (
        open_store(reader.data_dir) as here,
        here.events("core.incident") as incidents,
        open_store(forger.data_dir) as there,
    ):
        await here.swarm.start(bytes(SigningKey.generate()), listen=(LOOPBACK, 0))
        await there.swarm.start(bytes(SigningKey.generate()))
        signer = Identity.load(forger.data_dir / "identity").archive_signer(FEED, "main")
        await there.core(signer=signer)
        await connect(there, here)
        await asyncio.wait_for(anext(incidents), 20)


@pytest.mark.parametrize("how", ["two histories", "taken back"])
def test_a_reader_keeps_what_it_has_and_proves_the_fork(machines, tmp_path: Path, how: str) -> None:
    publisher, reader, forger = map(machines, ("publisher", "reader", "forger"))
    publish(publisher, tmp_path / "honest.csv", HONEST, symbol="btcusd")
    serving = publisher.serve()
    reader.sync(serving.link)
    held = exported_rows(reader, str(FEED))
    reader.rest()
    forger_of(publisher, forger)
    publish(forger, tmp_path / "other.csv", OTHER, symbol="btcusd")
    if how == "taken back":
        take_back(forger)

    asyncio.run(meet(reader, forger))
    error = reader.fails(5, "sync", serving.link)

    assert error["code"] == "FORK"
    assert "incidents" in error["hint"]
    assert len(held) == len(HONEST)
    assert exported_rows(reader, str(FEED)) == held
    verified = reader.run("verify", code=5)
    assert verified[0]["verified"]
    proofs = list((reader.data_dir / "incidents").iterdir())
    expected = "signed two histories" if how == "two histories" else "took back what it signed"
    assert proofs
    for proof in proofs:
        assert expected in check_incident(proof)
