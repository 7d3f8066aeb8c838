"""What happened in MongoDB -> documents that become records, and letters for what can not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tradercast.feeds import FeedId
from tradercast.pipeline.documents import TradeDocuments, read_documents
from tradercast.pipeline.mapping import Document, FieldMap
from tradercast.pipeline.raw_inserts import Inserts
from tradercast.records import Kind

Event = Mapping[str, Any]
_OF_DOCUMENTS = frozenset(("insert", "update", "replace", "delete"))


class LetterReason(StrEnum):
    """Why a change is no record, beside the reasons of `documents.Reason`."""

    NO_PRE_IMAGE = "no_pre_image"
    BOOK_CHANGED = "book_changed"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What could not become a record, for a person to look at.

    Attributes
    ----------
    collection : str
    reason : str
        Of `documents.Reason` or `LetterReason`.
    detail : str
    document : mapping
        As it is in MongoDB, or the key alone.
    """

    collection: str
    reason: str
    detail: str
    document: Document


@dataclass(frozen=True, slots=True)
class Target:
    """The trade that a correction is about."""

    trade_id: str
    ts_event: int


@dataclass(frozen=True, slots=True)
class Fix:
    """That a row corrects a trade; a row without one is a trade.

    Attributes
    ----------
    kind : Kind
        ``AMEND``, or ``BUST``: then the row's document is the one that was deleted.
    target : Target or None
        None if the row will be rejected.
    """

    kind: Kind
    target: Target | None


@dataclass(slots=True)
class Rows:
    """Documents on their way to records, by column.

    Attributes
    ----------
    documents : sequence of mappings
        As they are in MongoDB.
    mapped : sequence of mappings
        As `documents` reads them.
    collections : sequence of str
    fixes : dict of int to Fix
        By row.
    """

    documents: Sequence[Document] = field(default_factory=list)
    mapped: Sequence[Document] = field(default_factory=list)
    collections: Sequence[str] = field(default_factory=list)
    fixes: dict[int, Fix] = field(default_factory=dict)


@dataclass(slots=True)
class RowList(Rows):
    """Rows that are added one after the other."""

    documents: list[Document] = field(default_factory=list)
    mapped: list[Document] = field(default_factory=list)
    collections: list[str] = field(default_factory=list)

    def add(
        self, document: Document, mapped: Document, collection: str, fix: Fix | None = None
    ) -> None:
        """One more."""
        if fix is not None:
            self.fixes[len(self.documents)] = fix
        self.documents.append(document)
        self.mapped.append(mapped)
        self.collections.append(collection)

    def extend(self, documents: Sequence[Document], collection: str, fields: FieldMap) -> None:
        """Trades, but for documents that are not meant to be one."""
        mapped = fields.read(documents, collection)
        kept = [one for one in mapped if one is not None]
        if len(kept) < len(mapped):
            pairs = zip(documents, mapped, strict=True)
            documents = [document for document, one in pairs if one is not None]
        self.documents += documents
        self.mapped += kept
        self.collections += [collection] * len(kept)


def scanned_rows(documents: Sequence[Document], collection: str, fields: FieldMap) -> Rows:
    """The rows of documents that were found."""
    rows = RowList()
    rows.extend(documents, collection, fields)
    return rows


def changed_rows(events: Sequence[Event], fields: FieldMap) -> tuple[Rows, list[DeadLetter]]:
    """The rows of a change stream's events, in their order.

    An insert is a trade.  An update is an amendment, a delete a bust; of which trade, the
    document's former state says if the collection keeps it (`changeStreamPreAndPostImages`).
    Without it an update is taken to have left the trade's id and time alone, unless it says
    otherwise.  What changes nothing of the trade is left out.
    """
    letters: list[DeadLetter] = []
    if isinstance(events, Inserts) and fields.changes_nothing:
        documents = events.documents
        return Rows(documents, documents, [events.collection] * len(events)), letters
    rows = RowList()
    for collection, run in _by_collection(events):
        if all(event["operationType"] == "insert" for event in run):
            rows.extend([event["fullDocument"] for event in run], collection, fields)
        else:
            reader = _Changes(run, collection, fields, rows, letters)
            for at, event in enumerate(run):
                reader.take(at, event)
    return rows, letters


@dataclass(frozen=True, slots=True)
class _Known:
    """What a state of a document says, if it is a trade."""

    feed: FeedId
    target: Target

    def same_trade(self, other: _Known) -> bool:
        """Whether both are states of one trade."""
        return (self.feed, self.target.trade_id) == (other.feed, other.target.trade_id)


class _Changes:
    """A run of events of one collection, with what their documents were and are."""

    def __init__(
        self,
        run: Sequence[Event],
        collection: str,
        fields: FieldMap,
        rows: RowList,
        letters: list[DeadLetter],
    ) -> None:
        self._collection = collection
        self._fields = fields
        self._rows = rows
        self._letters = letters
        self._after = self._mapped([event.get("fullDocument") for event in run])
        self._before = self._mapped([event.get("fullDocumentBeforeChange") for event in run])
        changed = [event["operationType"] != "insert" for event in run]
        self._is = self._known(self._after, changed)
        self._was = self._known(self._before, changed)

    def take(self, at: int, event: Event) -> None:
        """Add what becomes of one event."""
        operation = event["operationType"]
        after = self._after[at]
        if operation == "delete":
            self._deleted(at, event)
        elif after is None:
            pass  # deleted meanwhile, which is another event; or not meant to be a trade
        elif operation == "insert":
            self._rows.add(event["fullDocument"], after, self._collection)
        elif operation == "replace" or self._fields.roots & _touched(event):
            self._updated(at, event, after)

    def _deleted(self, at: int, event: Event) -> None:
        if event.get("fullDocumentBeforeChange") is None:
            self._letter(event, "the document was deleted, nobody knows what it was")
        elif at in self._was:
            self._bust(at, event)

    def _updated(self, at: int, event: Event, after: Document) -> None:
        new, was = self._is.get(at), self._was.get(at)
        amended: Fix | None = None
        if event.get("fullDocumentBeforeChange") is None:
            if self._fields.identity & _touched(event):
                self._letter(event, "the update may have changed the trade's id or time")
                return
            amended = Fix(Kind.AMEND, None if new is None else new.target)
        elif self._before[at] == after:
            return
        elif was is not None and (new is None or new.same_trade(was)):
            amended = Fix(Kind.AMEND, was.target)  # if it is none any more, it is rejected
        elif was is not None:
            self._bust(at, event)  # and another trade
        self._rows.add(event["fullDocument"], after, self._collection, amended)

    def _bust(self, at: int, event: Event) -> None:
        before = self._before[at]
        assert before is not None
        document = event["fullDocumentBeforeChange"]
        fix = Fix(Kind.BUST, self._was[at].target)
        self._rows.add(document, before, self._collection, fix)

    def _letter(self, event: Event, detail: str) -> None:
        self._letters.append(
            DeadLetter(
                self._collection,
                LetterReason.NO_PRE_IMAGE,
                f"{detail}: the collection keeps no pre-images",
                event.get("fullDocument") or event.get("documentKey") or {},
            )
        )

    def _mapped(self, documents: list[Document | None]) -> list[Document | None]:
        there = [at for at, document in enumerate(documents) if document is not None]
        mapped = self._fields.read([documents[at] or {} for at in there], self._collection)
        found: list[Document | None] = [None] * len(documents)
        for at, one in zip(there, mapped, strict=True):
            found[at] = one
        return found

    @staticmethod
    def _known(mapped: list[Document | None], wanted: list[bool]) -> dict[int, _Known]:
        places = [at for at, one in enumerate(mapped) if one is not None and wanted[at]]
        read = read_documents([mapped[at] or {} for at in places])
        targets = _targets(read)
        return {
            places[row]: _Known(read.feeds[feed], target)
            for row, feed, target in zip(
                read.row.tolist(), read.feed.tolist(), targets, strict=True
            )
        }


def _targets(read: TradeDocuments) -> list[Target]:
    assert read.trades.trade_id is not None
    return [
        Target(trade_id or "", ts_event)
        for trade_id, ts_event in zip(
            read.trades.trade_id.to_strings(), read.trades.ts_event.tolist(), strict=True
        )
    ]


def _touched(event: Event) -> frozenset[str]:
    """The names at the top that an update changed; a replacement says none."""
    changes = event.get("updateDescription") or {}
    paths = [*changes.get("updatedFields", ()), *changes.get("removedFields", ())]
    paths += [each.get("field", "") for each in changes.get("truncatedArrays", ())]
    return frozenset(path.split(".", 1)[0] for path in paths)


def _by_collection(events: Sequence[Event]) -> Iterator[tuple[str, Sequence[Event]]]:
    """Runs of neighbours; events that are not about a document are left out."""
    run: list[Event] = []
    current = ""
    for event in events:
        if event["operationType"] not in _OF_DOCUMENTS:
            continue
        namespace = event["ns"]
        collection = f"{namespace['db']}.{namespace['coll']}"
        if collection != current and run:
            yield current, run
            run = []
        current = collection
        run.append(event)
    if run:
        yield current, run
