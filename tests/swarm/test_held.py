"""Which peers cover a range between them, and what nobody has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tradercast.swarm import Announcement, announceable, covering, merge_ranges

TOPIC = bytes(20)


def peer(*held: tuple[int, int], full: bool = False, port: int = 1) -> Announcement:
    return Announcement(TOPIC, port=port, held=held, full=full)


def test_one_full_peer_covers_everything() -> None:
    sparse, full = peer((0, 10)), peer(full=True)
    assert covering([sparse, full], 5, 500).peers == (full,)
    assert covering([sparse, full], 5, 500).complete


def test_ranges_of_several_peers_add_up() -> None:
    a, b, c = peer((0, 10), (30, 40)), peer((8, 30)), peer((12, 14))
    cover = covering([c, b, a], 0, 40)
    assert cover.peers == (a, b)
    assert cover.missing == ()


def test_what_nobody_has_is_named() -> None:
    cover = covering([peer((5, 10)), peer((20, 30))], 0, 40)
    assert cover.missing == ((0, 5), (10, 20), (30, 40))
    assert len(cover.peers) == 2
    assert covering([], 3, 4).missing == ((3, 4),)
    assert covering([], 4, 4).complete


def test_a_peer_that_holds_nothing_of_the_range_is_not_picked() -> None:
    assert covering([peer((0, 5)), peer((9, 12))], 5, 9).peers == ()


def test_announceable_keeps_the_longest_and_promises_nothing_else() -> None:
    ranges = [(10 * i, 10 * i + 1 + i % 9) for i in range(40)]
    kept = announceable(ranges)
    assert len(kept) == 16
    assert set(kept) <= set(ranges)
    assert min(end - start for start, end in kept) == 6
    assert announceable([(5, 7), (0, 5), (6, 9), (12, 12)]) == ((0, 9),)


bounds = st.tuples(st.integers(0, 60), st.integers(0, 60))


@given(st.lists(st.lists(bounds, max_size=4), max_size=6), bounds)
def test_cover_and_missing_are_the_range_exactly(
    peers: list[list[tuple[int, int]]], wanted: tuple[int, int]
) -> None:
    start, end = min(wanted), max(wanted)
    found = [peer(*merge_ranges(held), port=i + 1) for i, held in enumerate(peers)]

    cover = covering(found, start, end)

    def rows(announcements: tuple[Announcement, ...] | list[Announcement]) -> set[int]:
        return {i for a in announcements for low, high in a.held for i in range(low, high)}

    missing = {i for low, high in cover.missing for i in range(low, high)}
    assert missing == set(range(start, end)) - rows(found)
    assert set(range(start, end)) - missing <= rows(cover.peers)
    assert cover.missing == merge_ranges(cover.missing)
