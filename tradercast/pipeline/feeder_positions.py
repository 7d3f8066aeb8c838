"""Where a feeder goes on: a file beside the logs, which know better and are asked first."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tradercast.durable import read_limited, replace_file
from tradercast.errors import FormatError, TradercastError
from tradercast.feeds import FeedId
from tradercast.pipeline.feeder_input import Place

_MAX_FILE = 64 << 20


@dataclass(frozen=True, slots=True)
class Seen:
    """How far a feed was.

    All messages up to `number` were dealt with when the feed had `end_seq` records.  The log tells
    the number of the last message that added a record; here are those after it that added none.
    """

    number: int
    end_seq: int


@dataclass(slots=True)
class Positions:
    """What a feeder remembers.

    Attributes
    ----------
    topics : dict of str to str
        The id of each topic: one that was deleted and made again has another.
    offsets : dict of (str, int) to int
        The first offset of a partition that may hold something new.  Only for seeking: what is
        read twice is known by its number.
    feeds : dict of FeedId to Seen
    places : dict of FeedId to (str, int)
        Where the newest message of each feed was read.
    """

    topics: dict[str, str] = field(default_factory=dict)
    offsets: dict[Place, int] = field(default_factory=dict)
    feeds: dict[FeedId, Seen] = field(default_factory=dict)
    places: dict[FeedId, Place] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Positions:
        """Read the file; nothing if there is none.

        Raises
        ------
        FormatError
            If it is damaged.
        """
        data = read_limited(path, _MAX_FILE)
        if data is None:
            return cls()
        try:
            found: Any = json.loads(data)
            offsets = {
                (topic, int(partition)): _count(offset)
                for topic, known in found["offsets"].items()
                for partition, offset in known.items()
            }
            feeds = {
                FeedId.parse(name): Seen(_count(number), _count(end))
                for name, (number, end, *_) in found["feeds"].items()
            }
            places = {
                FeedId.parse(name): (str(place[0]), _count(place[1]))
                for name, (_, _, *place) in found["feeds"].items()
                if place  # files of earlier versions do not tell
            }
            topics = {str(topic): str(made) for topic, made in found["topics"].items()}
        except (
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
            RecursionError,
            TradercastError,
        ):
            raise FormatError(
                f"{path} is damaged",
                hint="delete it: the feeder then reads its topics from their beginning",
            ) from None
        return cls(topics, offsets, feeds, places)

    def save(self, path: Path) -> None:
        """Put it on the disk, whole or not at all."""
        offsets: dict[str, dict[str, int]] = {}
        for (topic, partition), offset in sorted(self.offsets.items()):
            offsets.setdefault(topic, {})[str(partition)] = offset
        feeds = {
            str(feed): [seen.number, seen.end_seq, *self.places.get(feed, ())]
            for feed, seen in self.feeds.items()
        }
        value = {"topics": self.topics, "offsets": offsets, "feeds": feeds}
        replace_file(path, json.dumps(value, indent=1).encode())

    def forget_topic(self, topic: str) -> None:
        """Drop what is known of a topic that is not the one it was."""
        self.topics.pop(topic, None)
        for place in [place for place in self.offsets if place[0] == topic]:
            del self.offsets[place]


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("not a count")
    return value
