"""Links and addresses: what is read, what is printed, what is refused."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradercast import z32
from tradercast.addresses import format_address, is_loopback, parse_address
from tradercast.errors import LinkError, UsageError
from tradercast.feeds import FeedId
from tradercast.links import Link, is_local_only, local_addresses

ROOT = bytes(range(32))
ROOT_TEXT = "yyyoryarywdyqnyjbefoadeqbhebnrounoktcfaadrpbs8y7daxo"
FEED = FeedId("bitfinex", "btcusd", "trades")

names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
hosts = st.one_of(
    st.ip_addresses(v=4).map(str).filter(lambda h: not h.startswith(("0.0.0.0", "22", "23"))),
    st.ip_addresses(v=6).map(str).filter(lambda h: h != "::" and not h.startswith("ff")),
    st.lists(st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True), min_size=1)
    .map(".".join)
    .filter(lambda h: len(h) <= 253),
)
addresses = st.tuples(hosts, st.integers(1, 65_535))
links = st.builds(
    Link,
    st.binary(min_size=32, max_size=32),
    st.none() | st.builds(FeedId, names, names, names),
    st.lists(addresses, max_size=8).map(tuple),
    st.lists(addresses, max_size=8).map(tuple),
)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"\x00", "yy"),
        (b"\xff", "9h"),
        (b"hello", "pb1sa5dx"),
        (b"hello world!", "pb1sa5dxrb5s6huccooo"),
        (b"The quick brown fox jumps over the lazy dog.",
         "ktwgkedtqiwsg43ycj3g675qrbug66bypj4s4hdurbzzc3m1rb4go3jyptozw6jyctzsqmo"),
        (bytes(32), "y" * 52),
        (b"\xff" * 32, "9" * 51 + "o"),
        (ROOT, ROOT_TEXT),
    ],
)  # fmt: skip
def test_z_base_32_gives_the_known_texts(data: bytes, text: str) -> None:
    assert z32.encode(data) == text
    assert z32.decode(text) == data


@given(st.binary(max_size=64))
def test_z_base_32_reads_what_it_writes(data: bytes) -> None:
    assert z32.decode(z32.encode(data)) == data


@pytest.mark.parametrize("text", ["y", "yyy", "yb", "l0", "YY", "yy=", "yÿ", "\ud800"])
def test_z_base_32_refuses_every_other_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        z32.decode(text)


@given(links)
def test_a_printed_link_is_read_back(link: Link) -> None:
    assert Link.parse(str(link)) == link


def test_a_link_is_printed_with_every_part() -> None:
    link = Link(ROOT, FEED, (("203.0.113.7", 7341), ("2001:DB8:0::7", 1)), (("Node.example", 2),))
    assert str(link) == (
        f"tradercast://{ROOT_TEXT}/bitfinex/btcusd/trades"
        "?bootstrap=203.0.113.7:7341&bootstrap=[2001:db8::7]:1&peer=node.example:2"
    )


def test_a_link_may_name_the_publisher_only() -> None:
    for text in (f"tradercast://{ROOT_TEXT}", f"tradercast://{ROOT_TEXT}/"):
        assert Link.parse(text) == Link(ROOT)


def test_scheme_and_key_may_be_in_any_case_and_the_channel_defaults_to_trades() -> None:
    assert Link.parse(f" TraderCast://{ROOT_TEXT.upper()}/bitfinex/btcusd\n") == Link(ROOT, FEED)


def test_escaped_brackets_and_unknown_parameters_are_understood() -> None:
    link = Link.parse(
        f"tradercast://{ROOT_TEXT}?x=1&peer=%5B2001:db8::1%5D%3A80&later=&bootstrap=a:1"
    )
    assert link == Link(ROOT, None, (("a", 1),), (("2001:db8::1", 80),))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tradercast://",
        "tradercast:" + ROOT_TEXT,
        "http://" + ROOT_TEXT,
        "tradercast://" + ROOT_TEXT[:-1],
        "tradercast://" + ROOT_TEXT + "y",
        "tradercast://" + ROOT_TEXT[:-1] + "a",  # spare bits
        "tradercast://user@" + ROOT_TEXT,
        f"tradercast://{ROOT_TEXT}/bitfinex",
        f"tradercast://{ROOT_TEXT}/bitfinex/BTCUSD",
        f"tradercast://{ROOT_TEXT}/bitfinex/btc/usd/trades",
        f"tradercast://{ROOT_TEXT}//bitfinex/btcusd",
        f"tradercast://{ROOT_TEXT}/../x",
        f"tradercast://{ROOT_TEXT}/bitfinex/%2e%2e",
        f"tradercast://{ROOT_TEXT}/bitfinex/btcusd#trades",
        f"tradercast://{ROOT_TEXT}/bitfinex/btc usd",
        f"tradercast://{ROOT_TEXT}/bitfinex/bt\x00c",
        f"tradercast://{ROOT_TEXT}/bitfinex/btcüsd",
        f"tradercast://{ROOT_TEXT}?peer=host",
        f"tradercast://{ROOT_TEXT}?peer=host:0",
        f"tradercast://{ROOT_TEXT}?peer=host:65536",
        f"tradercast://{ROOT_TEXT}?peer=host:-1",
        f"tradercast://{ROOT_TEXT}?peer=host:08",
        f"tradercast://{ROOT_TEXT}?peer=host:%D9%A1",  # an Arabic digit
        f"tradercast://{ROOT_TEXT}?peer=:80",
        f"tradercast://{ROOT_TEXT}?peer=a..b:80",
        f"tradercast://{ROOT_TEXT}?peer=-a:80",
        f"tradercast://{ROOT_TEXT}?peer=a%00b:80",
        f"tradercast://{ROOT_TEXT}?peer=2001:db8::1:80",
        f"tradercast://{ROOT_TEXT}?peer=[fe80::1%2525eth0]:80",
        f"tradercast://{ROOT_TEXT}?peer=[a]:80",
        f"tradercast://{ROOT_TEXT}?peer=[::1]80",
        f"tradercast://{ROOT_TEXT}?peer=[::1]",
        f"tradercast://{ROOT_TEXT}?peer=0.0.0.0:80",
        f"tradercast://{ROOT_TEXT}?peer=127.1:80",
        f"tradercast://{ROOT_TEXT}?peer=0x7f000001:80",
        f"tradercast://{ROOT_TEXT}?peer=256.1.1.1:80",
        f"tradercast://{ROOT_TEXT}?peer={'a.' * 127}abc:80",
        f"tradercast://{ROOT_TEXT}?" + "&".join(["peer=a:1"] * 17),
        f"tradercast://{ROOT_TEXT}?" + "&".join(["x=1"] * 65),
        f"tradercast://{ROOT_TEXT}?x=" + "y" * 9_000,
    ],
)
def test_anything_else_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(LinkError) as refused:
        Link.parse(text)
    assert "\n" not in refused.value.message
    assert len(refused.value.message) < 400


@given(st.text() | st.text(string.printable).map(lambda t: f"tradercast://{ROOT_TEXT}{t}"))
def test_random_text_is_a_link_or_refused(text: str) -> None:
    try:
        link = Link.parse(text)
    except LinkError:
        return
    assert Link.parse(str(link)) == link


def test_a_link_made_of_wrong_parts_is_refused() -> None:
    with pytest.raises(LinkError):
        Link(b"short")
    with pytest.raises(LinkError):
        Link(ROOT, None, (("host", 0),))
    with pytest.raises(LinkError):
        Link(ROOT, None, (("host", 1),) * 10, (("host", 1),) * 10)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "a.localhost"])
def test_a_link_with_loopback_addresses_only_is_local(host: str) -> None:
    local = Link(ROOT, None, ((host, 7341),))
    mixed = Link(ROOT, None, ((host, 7341),), (("node.example", 7340),))
    assert is_local_only(local)
    assert not is_local_only(mixed)
    assert local_addresses(mixed) == ((host, 7341),)


def test_a_link_without_addresses_is_not_called_local() -> None:
    assert not is_local_only(Link(ROOT))
    assert not is_loopback("203.0.113.7")
    assert is_loopback("::ffff:127.0.0.1")


def test_addresses_to_listen_on_may_be_open_and_without_a_port() -> None:
    assert parse_address("0.0.0.0:0", listen=True) == ("0.0.0.0", 0)
    assert parse_address("[::]", listen=True, default_port=7340) == ("::", 7340)
    assert parse_address("Host.Example", default_port=7340) == ("host.example", 7340)
    assert format_address(("::1", 80)) == "[::1]:80"
    with pytest.raises(UsageError):
        parse_address("host:", default_port=1)
