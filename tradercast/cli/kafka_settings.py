"""How to connect to Kafka: settings of librdkafka from a file and from the environment."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from tradercast.errors import UsageError
from tradercast.private import has_secret, read_private

KafkaConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--kafka-config",
        metavar="FILE",
        help="More settings of the client, name=value a line: passwords belong there.",
    ),
]
# TRADERCAST_KAFKA_SASL_PASSWORD is sasl.password, and so on.
ENV_PREFIXES = ("TRADERCAST_KAFKA_SASL_", "TRADERCAST_KAFKA_SECURITY_", "TRADERCAST_KAFKA_SSL_")
_KAFKA = "TRADERCAST_KAFKA_"
log = logging.getLogger(__name__)


def kafka_settings(
    path: Path | None, brokers: str, environ: Mapping[str, str] | None = None
) -> dict[str, object]:
    """Settings of librdkafka: the environment's, before the file's, and the brokers.

    Parameters
    ----------
    path : Path, optional
        A file of ``name=value`` lines; if a password is among them, only its owner may read it.
    brokers : str
        ``HOST:PORT``, separated by commas.
    environ : mapping, optional
        The environment (default ``os.environ``).

    Raises
    ------
    UsageError
        If a line is none, or the file can not be read.  No message holds a value.
    """
    config: dict[str, object] = {"logger": log}
    if path is not None:
        config |= _read(path)
    for name, value in (os.environ if environ is None else environ).items():
        if name.startswith(ENV_PREFIXES) and value:
            config[name.removeprefix(_KAFKA).lower().replace("_", ".")] = value
    return config | {"bootstrap.servers": brokers}


def _read(path: Path) -> dict[str, object]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"{path} can not be read: {why}") from None
    if has_secret(text):
        text = read_private(path)
    config: dict[str, object] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, is_setting, value = line.strip().partition("=")
        if not name or name.startswith("#"):
            continue
        if not is_setting:
            raise UsageError(f"line {number} of {path} is not name=value")
        config[name.strip()] = value.strip()
    return config
