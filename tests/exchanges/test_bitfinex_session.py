"""One connection to Bitfinex: channels, numbers, silence, maintenance, refusals."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tradercast.errors import ExchangeError
from tradercast.exchanges.bitfinex.session import BitfinexSession
from tradercast.exchanges.bitfinex.symbols import instrument
from tradercast.exchanges.connector import (
    Happening,
    Maintenance,
    ReconnectError,
    Refused,
    Reply,
    Subscribed,
    Update,
)
from tradercast.records import Side

AT = 1_700_000_000_000_000_000
TE = '[17,"te",[1,1574694478808,0.005,7245.3],{}]'


class Talk:
    """A session and a clock."""

    def __init__(self, *symbols: str, silence_s: float = 35.0) -> None:
        self.now_s = 0.0
        self.session = BitfinexSession([instrument(each) for each in symbols], 0.0, silence_s)

    def hear(self, frame: str, after_s: float = 0.0) -> list[Happening]:
        self.now_s += after_s
        return self.session.take(frame.encode(), AT, self.now_s)

    def subscribe(self, native: str = "tBTCUSD", channel: int = 17) -> list[Happening]:
        return self.hear(
            f'{{"event":"subscribed","channel":"trades","chanId":{channel},"symbol":"{native}"}}'
        )

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.session.check(self.now_s)


def test_the_greeting_asks_for_numbers_and_every_symbol() -> None:
    greeting = Talk("btcusd", "avaxusd").session.greeting()

    assert [json.loads(text) for text in greeting] == [
        {"event": "conf", "flags": 65536},
        {"event": "subscribe", "channel": "trades", "symbol": "tBTCUSD"},
        {"event": "subscribe", "channel": "trades", "symbol": "tAVAX:USD"},
    ]


def test_trades_have_the_symbol_of_their_channel() -> None:
    talk = Talk("btcusd", "avaxusd")
    assert talk.subscribe("tAVAX:USD", 17) == [Subscribed("avaxusd")]

    [update] = talk.hear(TE.format(1))

    assert isinstance(update, Update)
    assert (update.symbol, update.snapshot, update.repeats) == ("avaxusd", False, False)
    assert (update.trades[0].trade_id, update.trades[0].side) == (1, Side.BUY)


def test_a_settled_trade_is_a_repetition() -> None:
    talk = Talk("btcusd")
    talk.subscribe()

    [update] = talk.hear(TE.replace("te", "tu").format(1))

    assert isinstance(update, Update)
    assert update.repeats


def test_other_channels_are_nobodys() -> None:
    talk = Talk("btcusd")
    talk.subscribe()

    assert talk.hear('[99,"te",[1,1574694478808,0.005,7245.3],1]') == []
    assert talk.hear('[17,"hb",2]') == []
    assert talk.hear('{"event":"pong","ts":1}') == []


@pytest.mark.parametrize("following", [1, 3, 0, -5, 2**40])
def test_a_number_that_does_not_follow_is_a_reason_to_connect_again(following: int) -> None:
    talk = Talk("btcusd")
    talk.subscribe()
    talk.hear('[17,"hb",1]')

    with pytest.raises(ExchangeError, match="came after message 1"):
        talk.hear(TE.format(following))


def test_a_server_that_does_not_number_is_read_as_well() -> None:
    talk = Talk("btcusd")
    talk.subscribe()

    assert len(talk.hear('[17,"te",[1,1574694478808,0.005,7245.3]]')) == 1


def test_a_channel_that_falls_silent() -> None:
    talk = Talk("btcusd", "ethusd")
    talk.subscribe("tBTCUSD", 17)
    talk.subscribe("tETHUSD", 18)
    talk.hear('[17,"hb",1]', after_s=30)
    talk.wait(5)

    with pytest.raises(ExchangeError, match="nothing of tETHUSD"):
        talk.wait(1)


def test_a_symbol_that_is_never_confirmed() -> None:
    talk = Talk("btcusd")

    with pytest.raises(ExchangeError, match="nothing of tBTCUSD"):
        talk.wait(36)


def test_a_refusal_names_its_symbol_and_leaves_the_others() -> None:
    talk = Talk("btcusd", "nosuch/usd")
    talk.subscribe()

    refused = talk.hear(
        '{"event":"error","msg":"symbol: invalid","code":10300,"symbol":"tNOSUCH:USD"}'
    )

    assert refused == [Refused("nosuchusd", "symbol: invalid (code 10300)")]
    talk.hear('[17,"hb",1]', after_s=30)
    talk.wait(30)  # the refused one is not waited for


def test_an_error_of_no_symbol_ends_the_connection() -> None:
    with pytest.raises(ExchangeError, match="limit of open channels"):
        Talk("btcusd").hear('{"event":"error","msg":"limit of open channels","code":10305}')


def test_a_channel_that_was_not_asked_for_ends_the_connection() -> None:
    with pytest.raises(ExchangeError, match="not asked for"):
        Talk("btcusd").subscribe("tETHUSD")


def test_a_restart_of_the_servers() -> None:
    with pytest.raises(ReconnectError):
        Talk("btcusd").hear('{"event":"info","code":20051,"msg":"Stopping"}')


def test_another_version_of_the_protocol() -> None:
    with pytest.raises(ExchangeError, match="version 3"):
        Talk("btcusd").hear('{"event":"info","version":3,"platform":{"status":1}}')


def test_after_a_maintenance_every_channel_is_asked_for_again() -> None:
    talk = Talk("btcusd", "ethusd")
    talk.subscribe("tBTCUSD", 17)

    assert talk.hear('{"event":"info","code":20060}') == [Maintenance(begun=True)]
    talk.wait(600)  # silence is to be expected
    resumed = talk.hear('{"event":"info","code":20061}')
    again = talk.hear('{"event":"unsubscribed","status":"OK","chanId":17}')

    assert resumed[0] == Maintenance(begun=False)
    assert [json.loads(each.text) for each in resumed[1:] + again if isinstance(each, Reply)] == [
        {"event": "unsubscribe", "chanId": 17},
        {"event": "subscribe", "channel": "trades", "symbol": "tETHUSD"},
        {"event": "subscribe", "channel": "trades", "symbol": "tBTCUSD"},
    ]
    assert talk.hear(TE.format(1)) == []  # of the old channel
    talk.subscribe("tBTCUSD", 21)
    assert len(talk.hear('[21,"te",[1,1574694478808,0.005,7245.3],2]')) == 1
    with pytest.raises(ExchangeError, match="says nothing"):
        talk.wait(36)


def test_a_maintenance_that_never_ends() -> None:
    talk = Talk("btcusd")
    assert talk.hear('{"event":"info","version":2,"platform":{"status":0}}') == [
        Maintenance(begun=True)
    ]

    with pytest.raises(ExchangeError, match="maintenance"):
        talk.wait(901)


def test_half_a_minute_of_the_real_exchange(shared_data: Path) -> None:
    with gzip.open(shared_data / "ws" / "BITFINEX.ws.11.0.gz", "rt") as file:
        lines = [line.rstrip("\n").partition(": ") for line in file if line[:1].isdigit()]
    natives = ("tBFTUSD", "tIOTETH", "tDOGUSD", "tMNABTC", "tODEUSD", "tTESTBTC:TESTUSD", "tSNGUSD")
    session = BitfinexSession([instrument(each) for each in natives], float(lines[0][0]))

    found: dict[str, Update] = {}
    confirmed = []
    for seconds, _, frame in lines:
        for happening in session.take(frame.encode(), AT, float(seconds)):
            if isinstance(happening, Subscribed):
                confirmed.append(happening.symbol)
            elif isinstance(happening, Update):
                assert happening.symbol not in found
                found[happening.symbol] = happening
        session.check(float(seconds))

    assert sorted(confirmed) == sorted(found)
    assert sorted(found) == [
        *("bftusd", "dogusd", "ioteth", "mnabtc", "odeusd", "sngusd"),
        "testbtctestusd",
    ]
    assert all(update.snapshot and len(update.trades) == 30 for update in found.values())
    newest = found["mnabtc"].trades[-1]
    assert (newest.trade_id, newest.ts_event) == (670002570, 1_618_677_535_660_000_000)
    assert (newest.side, newest.size, newest.price) == (Side.SELL, "76.7682617", "0.00002516")
    oldest = found["bftusd"].trades[0]
    assert (oldest.trade_id, oldest.price, oldest.size) == (669293762, "0.071361", "393.46666667")
