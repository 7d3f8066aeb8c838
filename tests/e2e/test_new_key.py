"""A publisher whose key was changed: readers that knew the old one."""

from __future__ import annotations

import shutil
from pathlib import Path

from e2e.conftest import Machines
from support.commands import unused_address
from support.feeds import market

from tradercast.client.export import export

TRADES = market(600, jitter_s=0)


def test_a_reader_takes_the_new_catalog_at_once(machines: Machines, tmp_path: Path) -> None:
    old, new, reader = map(machines, ("old", "new", "reader"))
    for name, part in (("few.csv", TRADES[:200]), ("all.csv", TRADES)):
        export(tmp_path / name, [(part, None)])
    at = unused_address()
    old.publish(tmp_path / "few.csv")
    link = f"{old.serve(listen=at, no_dht=True).link.partition('?')[0]}?peer={at}"
    first = reader.sync("btcusd", "--from", link)
    old.kill()
    identity = new.data_dir / "identity"
    for folder in (new.data_dir, identity):
        folder.mkdir(mode=0o700)
    shutil.copy2(old.data_dir / "identity" / "root.key", identity)
    new.run("identity", "new")
    new.publish(tmp_path / "all.csv")
    assert link.startswith(new.serve(listen=at, no_dht=True).link.partition("?")[0])

    again = reader.sync("btcusd", "--from", link)
    reader.run("export", "btcusd", "--out", tmp_path / "out.csv")

    assert (first["records"], again["records"]) == (200, 600)
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "all.csv").read_bytes()
