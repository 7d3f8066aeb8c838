"""``tradercast health``: ask a service whether it is well."""

from __future__ import annotations

import http.client
import json
from typing import Annotated, Any

import typer

from tradercast.addresses import format_address, parse_address
from tradercast.cli.context import Cli
from tradercast.cli.options import checked
from tradercast.errors import EXIT_INCOMPLETE, EXIT_OK, ServiceError

EXAMPLES = ("tradercast health 127.0.0.1:9340", "tradercast health 127.0.0.1:9340 --json")
_PATIENCE_S = 4.0
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
) -> int:
    """Ask a service whether it is well: exit code 0, or 3 if it is not or does not answer."""
    host, port = parse_address(address)
    shown = format_address((host, port))
    connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE_S)
    try:
        connection.request("GET", "/health")
        found: Any = json.loads(connection.getresponse().read(_MAX_ANSWER))
        service, well, trouble = found["service"], found["ok"], found["trouble"]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        raise ServiceError(
            f"no service tells of its health at {shown}", hint="start it with --metrics HOST:PORT"
        ) from None
    finally:
        connection.close()
    cli.out.emit({"service": service, "ok": well, "trouble": trouble})
    cli.out.print(f"{service}: {'well' if well else trouble}")
    return EXIT_OK if well is True else EXIT_INCOMPLETE
