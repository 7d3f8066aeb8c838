"""Passwords of MongoDB and Kafka: in nothing that a service says, not even with --debug."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import unused_address

PASSWORD = "pa55word"
TRYING_S = 6.0
SASL = {
    "TRADERCAST_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "TRADERCAST_KAFKA_SASL_MECHANISM": "PLAIN",
    "TRADERCAST_KAFKA_SASL_USERNAME": "me",
    "TRADERCAST_KAFKA_SASL_PASSWORD": PASSWORD,
}


@pytest.mark.parametrize(
    "arguments",
    [
        ("listener",),
        ("collect", "bitfinex", "btcusd", "--url", "ws://127.0.0.1:9/ws"),
        ("feeder", "--topics", "a.trades", "--listen", "127.0.0.1:0", "--no-dht"),
        ("doctor",),
    ],
    ids=lambda arguments: str(arguments[0]),
)
def test_no_password_is_shown_by_a_service_that_fails(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    address = unused_address()
    uri = f"mongodb://me:{PASSWORD}@{address}/market?serverSelectionTimeoutMS=2000"
    servers = {
        "TRADERCAST_MONGO": uri,
        "TRADERCAST_COLLECT_TO": uri,
        "TRADERCAST_KAFKA": address,
        "TRADERCAST_DATA_DIR": str(tmp_path / "data"),
    }
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tradercast", *arguments, "--debug", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, **SASL, **servers},
        )
        with contextlib.suppress(subprocess.TimeoutExpired):  # some try for long
            process.wait(TRYING_S)
        process.terminate()
        process.wait(30)

    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    texts = {file: file.read_text("utf-8", "replace") for file in files}
    assert address.rpartition(":")[2] in texts[log], (
        f"it says nothing of what it tried: {texts[log][-2000:]}"
    )
    assert [file.name for file, text in texts.items() if PASSWORD in text] == []
