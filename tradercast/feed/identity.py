"""A publisher's keys: the root that links name, and the signers of its logs.

The root key signs nothing but delegations, so it may be kept on another machine; the
publisher key is what a writer needs.  Every log has a signer of its own, derived from the
publisher key, so that one file is enough for all of them and for a second writer.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import NoReturn

from nacl.signing import SigningKey

from tradercast import z32
from tradercast.durable import locked, read_limited, replace_file
from tradercast.errors import UsageError, VerificationError
from tradercast.feed.delegation import (
    DEFAULT_LIFE_NS,
    Delegation,
    needs_renewal,
    next_number,
)
from tradercast.feed.secret_files import (
    check_secret_dir,
    create_seed,
    make_secret_dir,
    read_seed,
)
from tradercast.feeds import FeedId, check_name
from tradercast.log.proof import core_key

ROOT_FILE = "root.key"
PUBLISHER_FILE = "publisher.key"
NODE_FILE = "node.key"
DELEGATION_FILE = "delegation"
_PERSON = b"tradercast"
_MAX_DELEGATION_FILE = 1_024
_NEW_HINT = "run `tradercast identity new`"


@dataclass(frozen=True, slots=True)
class PublicIdentity:
    """What may be shown of an identity.

    Parameters
    ----------
    root : bytes
        The root key, which links name.
    catalog_key : bytes
        The key of the catalog's log.
    delegation : Delegation or None
        The newest one in the identity's directory.
    has_root : bool
        Whether the root's secret key is there too, so that the delegation can be renewed.
    """

    root: bytes
    catalog_key: bytes
    delegation: Delegation | None
    has_root: bool


class Identity:
    """A publisher's secret keys, loaded.

    Neither ``repr`` nor an error shows them, and they can not be pickled.
    """

    __slots__ = ("_directory", "_publisher_seed", "_root_seed", "root")

    def __init__(
        self, directory: Path, publisher_seed: bytes, root_seed: bytes | None, root: bytes
    ) -> None:
        self._directory = directory
        self._publisher_seed = publisher_seed
        self._root_seed = root_seed
        self.root = root

    @classmethod
    def load_or_create(cls, directory: Path) -> Identity:
        """The identity in this directory, made at the first time.

        Raises
        ------
        UsageError
            If a part of an identity is missing, or others may read the files.  A missing
            key is never replaced by a new one: links already name the old.
        """
        make_secret_dir(directory)
        names = (ROOT_FILE, PUBLISHER_FILE, DELEGATION_FILE)
        root, publisher, delegation = ((directory / name).exists() for name in names)
        # The root comes first, so a root alone is what an interrupted start leaves behind.
        if not publisher and not delegation:
            create_seed(directory / ROOT_FILE)
            create_seed(directory / PUBLISHER_FILE)
        elif not publisher:
            raise _missing(directory / PUBLISHER_FILE)
        elif not root and not delegation:
            raise _missing(directory / ROOT_FILE)
        return cls.load(directory)

    @classmethod
    def load(cls, directory: Path) -> Identity:
        """The identity in this directory.

        Raises
        ------
        UsageError
            If there is none, or others may read the files.
        VerificationError
            If the root is kept elsewhere and the delegation does not fit.
        """
        check_secret_dir(directory)
        publisher_seed = read_seed(directory / PUBLISHER_FILE)
        if publisher_seed is None:
            raise _missing(directory / PUBLISHER_FILE)
        root_seed = read_seed(directory / ROOT_FILE)
        if root_seed is not None:
            root = bytes(SigningKey(root_seed).verify_key)
            return cls(directory, publisher_seed, root_seed, root)
        delegation = read_delegation(directory)
        if delegation is None:
            raise _missing(directory / ROOT_FILE)
        identity = cls(directory, publisher_seed, None, delegation.root)
        identity._check_own(delegation)
        return identity

    @property
    def has_root(self) -> bool:
        """Whether the root's secret key is here."""
        return self._root_seed is not None

    @property
    def catalog_key(self) -> bytes:
        """The key of the catalog's log."""
        return core_key(bytes(self.catalog_signer().verify_key))

    def catalog_signer(self) -> SigningKey:
        """The signer of the catalog."""
        return self._signer("catalog")

    def tail_signer(self, feed: FeedId, segment: str) -> SigningKey:
        """The signer of the tail of a feed's segment."""
        return self._signer(f"{feed}|{check_name(segment, 'segment')}|tail")

    def archive_signer(self, feed: FeedId, segment: str) -> SigningKey:
        """The signer of the archive of a feed's segment."""
        return self._signer(f"{feed}|{check_name(segment, 'segment')}|archive")

    def segment_keys(self, feed: FeedId, segment: str) -> tuple[bytes, bytes]:
        """The keys of the tail and the archive of a feed's segment."""
        signers = (self.tail_signer(feed, segment), self.archive_signer(feed, segment))
        tail, archive = (core_key(bytes(signer.verify_key)) for signer in signers)
        return tail, archive

    def delegation(self, now_ns: int, life_ns: int = DEFAULT_LIFE_NS) -> Delegation:
        """The delegation to publish, made or renewed if that is due and the root is here.

        Parameters
        ----------
        now_ns : int
            The time (ns UTC).
        life_ns : int
            How long a new one lasts; one with less than half of that left is renewed.

        Raises
        ------
        VerificationError
            If it has ended and the root is kept elsewhere.
        """
        held = self._present(now_ns, life_ns)
        if held is None:
            with locked(self._directory):  # of programs that find none, one makes it
                held = self._present(now_ns, life_ns) or self._sign(now_ns, life_ns)
        return held

    def delegate(self, now_ns: int, life_ns: int = DEFAULT_LIFE_NS) -> Delegation:
        """Make and keep a new delegation of this identity's catalog.

        Raises
        ------
        UsageError
            If the root is kept elsewhere.
        """
        with locked(self._directory):
            return self._sign(now_ns, life_ns)

    def _present(self, now_ns: int, life_ns: int) -> Delegation | None:
        held = read_delegation(self._directory)
        if held is None:
            return None
        self._check_own(held)
        if self._root_seed is not None and needs_renewal(held, now_ns, life_ns):
            return None
        held.check_time(now_ns)
        return held

    def _sign(self, now_ns: int, life_ns: int) -> Delegation:
        if self._root_seed is None:
            raise UsageError(
                "the root key is kept on another machine",
                hint="run `tradercast identity delegate` where it is",
            )
        held = read_delegation(self._directory)
        made = delegate(self._root_seed, self.catalog_key, held, now_ns, life_ns)
        replace_file(self._directory / DELEGATION_FILE, made.to_text().encode() + b"\n")
        return made

    def install_delegation(self, delegation: Delegation, now_ns: int) -> None:
        """Keep a delegation that was made where the root key is.

        Raises
        ------
        VerificationError
            If it is for another catalog or root, has ended, or is older than the present one.
        """
        self._check_own(delegation)
        delegation.check_time(now_ns)
        delegation.check_replaces(read_delegation(self._directory))
        replace_file(self._directory / DELEGATION_FILE, delegation.to_text().encode() + b"\n")

    def export_root(self, target: Path, now_ns: int) -> None:
        """Move the root's secret key to `target`, leaving a delegation behind.

        Raises
        ------
        UsageError
            If the key is not here, or `target` exists or is readable by others.
        """
        if self._root_seed is None:
            raise UsageError("the root key is not here", hint="it was exported before")
        self.delegation(now_ns)
        create_seed(target, self._root_seed)
        if read_seed(target) != self._root_seed:
            raise UsageError(f"{target} holds another key", hint="choose another file")
        (self._directory / ROOT_FILE).unlink(missing_ok=True)
        self._root_seed = None

    def lend(self, directory: Path) -> None:
        """Give all keys of the publisher to a standby's identity directory.

        The node's key stays: no two nodes may have the same.

        Raises
        ------
        UsageError
            If another identity is there.
        """
        make_secret_dir(directory)
        for name in (ROOT_FILE, PUBLISHER_FILE):
            seed = read_seed(self._directory / name)
            if seed is not None and create_seed(directory / name, seed) != seed:
                raise UsageError(f"there is another identity in {directory}")
        found = read_delegation(self._directory)
        if found is not None:
            replace_file(directory / DELEGATION_FILE, found.to_text().encode() + b"\n")

    def _check_own(self, delegation: Delegation) -> None:
        if delegation.root != self.root or delegation.catalog_key != self.catalog_key:
            raise VerificationError(
                f"the delegation in {self._directory} is for another publisher or catalog",
                hint="restore the files that belong together from a backup",
            )

    def _signer(self, name: str) -> SigningKey:
        seed = blake2b(name.encode(), digest_size=32, key=self._publisher_seed, person=_PERSON)
        return SigningKey(seed.digest())

    def __repr__(self) -> str:
        return f"<Identity {z32.encode(self.root)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an identity holds secrets and is not copied or pickled")


def load_public(directory: Path) -> PublicIdentity:
    """What may be shown of the identity in this directory; raises as `Identity.load`."""
    identity = Identity.load(directory)
    delegation = read_delegation(directory)
    return PublicIdentity(identity.root, identity.catalog_key, delegation, identity.has_root)


def load_or_create_node(directory: Path) -> SigningKey:
    """The key of this node, by which peers know it; it has no tie to any publisher.

    Raises
    ------
    UsageError
        If others may read its file.
    """
    make_secret_dir(directory)
    path = directory / NODE_FILE
    return SigningKey(read_seed(path) or create_seed(path))


def delegate(
    root_seed: bytes, catalog_key: bytes, held: Delegation | None, now_ns: int, life_ns: int
) -> Delegation:
    """A new delegation of a catalog; all that the machine with the root key does.

    Parameters
    ----------
    root_seed : bytes
        The root's secret key (32 bytes).
    catalog_key : bytes
        The key of the catalog's log, as ``tradercast identity show`` prints it.
    held : Delegation or None
        The newest one known, to be outnumbered.
    now_ns, life_ns : int
        The time, and how long it lasts (ns).
    """
    return Delegation.sign(
        SigningKey(root_seed),
        catalog_key,
        number=next_number(held, now_ns),
        expires_ns=now_ns + life_ns,
    )


def read_delegation(directory: Path) -> Delegation | None:
    """The delegation in an identity's directory, its signature checked."""
    data = read_limited(directory / DELEGATION_FILE, _MAX_DELEGATION_FILE)
    return None if data is None else Delegation.from_text(data.decode("ascii", "replace"))


def _missing(path: Path) -> UsageError:
    others = {ROOT_FILE, PUBLISHER_FILE, DELEGATION_FILE} - {path.name}
    if not any((path.parent / name).exists() for name in others):
        return UsageError(f"there is no identity in {path.parent}", hint=_NEW_HINT)
    return UsageError(
        f"{path} is missing", hint="restore it from a backup: links that you gave away depend on it"
    )
