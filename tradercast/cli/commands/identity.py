"""``tradercast identity``: the keys of a publisher, made, shown, and kept apart."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from tradercast import z32
from tradercast.cli.context import Cli
from tradercast.errors import FormatError, UsageError
from tradercast.feed.delegation import DEFAULT_LIFE_NS, Delegation
from tradercast.feed.identity import (
    PUBLISHER_FILE,
    Identity,
    PublicIdentity,
    load_public,
)
from tradercast.feed.identity import (
    delegate as sign_delegation,
)
from tradercast.feed.secret_files import read_seed
from tradercast.links import Link
from tradercast.paths import DataDir
from tradercast.timerange import NS_PER_DAY, format_time_ns

EXAMPLES = ("tradercast identity", "tradercast identity --json", "tradercast identity new")
SHOW_EXAMPLES = ("tradercast identity show", "tradercast identity show --json")
NEW_EXAMPLES = ("tradercast identity new", "tradercast identity new --data-dir /srv/tc")
INSTALL_EXAMPLES = ("tradercast identity install TEXT   # what `identity delegate` printed",)
EXPORT_EXAMPLES = ("tradercast identity export-root /media/usb/root.key",)
LEND_EXAMPLES = ("tradercast identity lend /srv/standby",)
DELEGATE_EXAMPLES = (
    "tradercast identity delegate",
    "tradercast identity delegate --root-key /media/usb/root.key --catalog KEY",
)

DaysOption = Annotated[int, typer.Option(min=1, max=3650, help="How long the delegation lasts.")]


def show(cli: Cli) -> None:
    """Show the public side of this node's identity: root key, catalog, delegation."""
    _tell(cli, load_public(cli.data_dir.identity))


def new(cli: Cli) -> None:
    """Make an identity: a root key, which links name, and a publisher key, which writes."""
    folder = cli.data_dir.identity
    if (folder / PUBLISHER_FILE).exists():
        raise UsageError(
            f"there is an identity in {folder} already",
            hint="links name it, so it is not replaced; another --data-dir takes another identity",
        )
    cli.data_dir.ensure()
    Identity.load_or_create(folder).delegation(time.time_ns())
    _tell(cli, load_public(folder))
    cli.out.note(f"Keep a copy of {folder}: who loses these keys can never write here again.")


def delegate(
    cli: Cli,
    root_key: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="The root's key file, if it is not in the identity."),
    ] = None,
    catalog: Annotated[
        str | None,
        typer.Option(help="With --root-key: the catalog key that `identity show` prints."),
    ] = None,
    days: DaysOption = DEFAULT_LIFE_NS // NS_PER_DAY,
) -> None:
    """Sign a new delegation: the root key's word on which catalog is its own.

    With the root key elsewhere, run this there with --root-key and --catalog, and carry the
    printed line to `tradercast identity install`.
    """
    if (root_key is None) != (catalog is None):
        raise UsageError("--root-key and --catalog belong together")
    now, life = time.time_ns(), days * NS_PER_DAY
    if root_key is None or catalog is None:
        _tell_delegation(cli, Identity.load(cli.data_dir.identity).delegate(now, life))
        return
    seed = read_seed(root_key)
    if seed is None:
        raise UsageError(f"there is no key file {root_key}")
    try:
        catalog_key = z32.decode_key(catalog)
    except ValueError:
        raise UsageError(
            "--catalog is not a key", hint="it is what `tradercast identity show` prints"
        ) from None
    _tell_delegation(cli, sign_delegation(seed, catalog_key, None, now, life))


def install(
    cli: Cli,
    delegation: Annotated[str, typer.Argument(help="The line that `identity delegate` printed.")],
) -> None:
    """Take a delegation that was signed where the root key is."""
    identity = Identity.load(cli.data_dir.identity)
    try:
        signed = Delegation.from_text(delegation)
    except FormatError as error:
        raise UsageError(
            error.message, hint="give the whole line that `tradercast identity delegate` printed"
        ) from None
    identity.install_delegation(signed, time.time_ns())
    _tell(cli, load_public(cli.data_dir.identity))


def export_root(
    cli: Cli,
    file: Annotated[Path, typer.Argument(help="Where the root's secret key goes.")],
) -> None:
    """Move the root's secret key to FILE, to be kept offline; a delegation stays here."""
    Identity.load(cli.data_dir.identity).export_root(file, time.time_ns())
    cli.out.emit({"exported": file})
    cli.out.print(f"The root key is in {file} and no longer here.")
    cli.out.note("Without it nobody can renew the delegation: keep a copy in a safe place.")


def lend(
    cli: Cli,
    directory: Annotated[Path, typer.Argument(help="The standby's data directory.")],
) -> None:
    """Give the publisher's keys to a standby's data directory; without any, make them first.

    The standby gets a node key of its own when it starts. Doing it again changes nothing.
    """
    cli.data_dir.ensure()
    identity = Identity.load_or_create(cli.data_dir.identity)
    identity.delegation(time.time_ns())
    identity.lend(DataDir(directory).ensure().identity)
    _tell(cli, load_public(cli.data_dir.identity))


def _tell(cli: Cli, found: PublicIdentity) -> None:
    link = Link(found.root)
    delegation = found.delegation
    cli.out.emit(
        {
            "root": z32.encode(found.root),
            "link": str(link),
            "catalog_key": z32.encode(found.catalog_key),
            "has_root": found.has_root,
            "delegation": None if delegation is None else _facts(delegation),
            "path": cli.data_dir.identity,
        }
    )
    cli.out.print(f"link        {link}")
    cli.out.print(f"catalog     {z32.encode(found.catalog_key)}")
    if delegation is None:
        cli.out.print("delegation  none yet: the first publish makes it")
    else:
        until = format_time_ns(delegation.expires_ns)
        cli.out.print(f"delegation  number {delegation.number}, until {until}")
    cli.out.print(f"root key    {'here' if found.has_root else 'kept elsewhere'}")
    cli.out.print(f"files       {cli.data_dir.identity}")


def _tell_delegation(cli: Cli, made: Delegation) -> None:
    cli.out.emit({"delegation": {**_facts(made), "text": made.to_text()}})
    cli.out.print(made.to_text())
    cli.out.note(f"Number {made.number}, until {format_time_ns(made.expires_ns)}.")


def _facts(delegation: Delegation) -> dict[str, Any]:
    return {
        "number": delegation.number,
        "expires": format_time_ns(delegation.expires_ns),
        "expires_ns": delegation.expires_ns,
    }
