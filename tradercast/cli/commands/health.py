"""``tradercast health``: ask a service whether it is well."""

from __future__ import annotations

import http.client
import json
import time
from typing import Annotated, Any

import typer

from tradercast.addresses import format_address, parse_address
from tradercast.cli.context import Cli
from tradercast.cli.options import checked, duration_s
from tradercast.errors import EXIT_INCOMPLETE, EXIT_OK, ServiceError

EXAMPLES = ("tradercast health 127.0.0.1:9340", "tradercast health 127.0.0.1:9340 --wait 60s")
_PATIENCE_S = 4.0
_AGAIN_S = 0.5
_MAX_ANSWER = 64 << 10


def health(
    cli: Cli,
    address: Annotated[
        str,
        typer.Argument(
            metavar="HOST:PORT",
            help="What --metrics of the service says.",
            callback=checked(parse_address),
        ),
    ],
    wait: Annotated[
        str,
        typer.Option(
            "--wait",
            metavar="DURATION",
            help="Ask again for so long until it is well.",
            callback=checked(duration_s),
        ),
    ] = "0s",
) -> int:
    """Ask a service whether it is well: exit code 0, or 3 if it is not or does not answer."""
    host, port = parse_address(address)
    until = time.monotonic() + duration_s(wait)
    while True:
        found = _ask(host, port)
        if (found is not None and found["ok"] is True) or time.monotonic() >= until:
            break
        time.sleep(_AGAIN_S)
    if found is None:
        raise ServiceError(
            f"no service tells of its health at {format_address((host, port))}",
            hint="start it with --metrics HOST:PORT",
        )
    cli.out.emit(found)
    cli.out.print(f"{found['service']}: {'well' if found['ok'] is True else found['trouble']}")
    return EXIT_OK if found["ok"] is True else EXIT_INCOMPLETE


def _ask(host: str, port: int) -> dict[str, Any] | None:
    """What a service says; None if there is none."""
    connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE_S)
    try:
        connection.request("GET", "/health")
        found: Any = json.loads(connection.getresponse().read(_MAX_ANSWER))
        return {key: found[key] for key in ("service", "ok", "trouble")}
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()
