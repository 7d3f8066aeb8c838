"""Logs of services: a line a record on stderr, for people or for machines, without secrets."""

from __future__ import annotations

import enum
import json
import logging
import time
from typing import Annotated, Any

import typer

from tradercast.private import without_secrets

LOGS = "Logs"


class LogFormat(enum.StrEnum):
    """How a service logs."""

    TEXT = "text"
    JSON = "json"


class LogLevel(enum.StrEnum):
    """From where on records are logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


LogFormatOption = Annotated[
    LogFormat | None,
    typer.Option(
        "--log-format",
        help="Log on stderr as text or JSON, an object a line; by default text on a terminal.",
        rich_help_panel=LOGS,
    ),
]
LogLevelOption = Annotated[
    LogLevel,
    typer.Option("--log-level", help="Log what is at least so important.", rich_help_panel=LOGS),
]


class JsonLog(logging.Formatter):
    """A log record as one JSON object: time, level, logger, message, and fields of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        value: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            value["exception"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(value)


class TextLog(logging.Formatter):
    """A log record as one line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end; a traceback follows in more."""
        message = " ".join(record.getMessage().split())
        text = f"{_time(record)} {record.levelname} {record.name}: {message}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return without_secrets(text)


def _time(record: logging.LogRecord) -> str:
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{at}.{int(record.msecs):03}Z"
