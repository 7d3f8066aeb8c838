"""What the topics of the pipeline are called, and what is in them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tradercast.errors import UsageError
from tradercast.feeds import FeedId

PARTITIONS_TOPIC = "tradercast.partitions"
STATE_TOPIC = "tradercast.state"
DEAD_LETTERS_TOPIC = "tradercast.dead-letters"
DEFAULT_TEMPLATE = "tradercast.{exchange}.{channel}"

_PLACE = re.compile(r"\{(\w*)\}")
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Record:
    """What is written to Kafka.

    Attributes
    ----------
    topic : str
    partition : int
    key, value : bytes
    """

    topic: str
    partition: int
    key: bytes
    value: bytes


def topic_of(template: str, feed: FeedId) -> str:
    """The topic of a feed.

    Parameters
    ----------
    template : str
        A name with ``{exchange}``, ``{symbol}``, ``{channel}`` in it.
    feed : FeedId
        Whose topic it is.

    Raises
    ------
    UsageError
        If the template has other places, or gives no topic's name.
    """
    names = {"exchange": feed.exchange, "symbol": feed.symbol, "channel": feed.channel}
    try:
        topic = _PLACE.sub(lambda place: names[place[1]], template)
    except KeyError as error:
        raise UsageError(
            f"a topic's name has no place for {error}", hint="use {exchange}, {symbol}, {channel}"
        ) from None
    if not _TOPIC.fullmatch(topic) or topic in (".", ".."):
        raise UsageError(f"{topic!r:.100} is not a topic's name")
    if topic in (PARTITIONS_TOPIC, STATE_TOPIC, DEAD_LETTERS_TOPIC):
        raise UsageError(f"{topic} is a topic with another purpose")
    return topic
