"""A configuration file's keys, as defaults of the commands' options."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from tradercast.config import Config
from tradercast.errors import UsageError

# Of one run, not of an installation.
_NOT_KEPT = {"help", "version", "config"}
_COMMON = {"data-dir", "json", "quiet", "debug"}


def defaults(config: Config, root: Any) -> dict[str, Any]:
    """The ``default_map`` that a file means for a command line.

    A key at the top holds for every command that has an option of this name, a key in the table
    of a command for this one, before the other.

    Parameters
    ----------
    config : Config
        What the file says.
    root : typer's group
        The command line.

    Raises
    ------
    UsageError
        If a table, a key or a value's type is wrong; it names the file, the table and the key.
    """
    if config.path is None:
        return {}
    commands = {
        name: _keys(command)
        for name, command in getattr(root, "commands", {}).items()
        if not getattr(command, "commands", None)
    }
    common = {key: param for key, param in _keys(root, _NOT_KEPT).items() if key in _COMMON}
    result: dict[str, Any] = {name: {} for name in commands}
    for key, value in config.values.items():
        if not isinstance(value, dict):
            _everywhere(f"{config.path}, key {key}", key, value, common, commands, result)
    for table, values in config.values.items():
        if isinstance(values, dict):
            if table not in commands:
                raise _unknown(f"{config.path}, table [{table}]", table, commands)
            for key, value in values.items():
                place = f"{config.path}, table [{table}], key {key}"
                result[table].update(_own(place, key, value, commands[table]))
    return result


def _everywhere(
    place: str,
    key: str,
    value: Any,
    common: Mapping[str, Any],
    commands: Mapping[str, Mapping[str, Any]],
    result: dict[str, Any],
) -> None:
    """Take in a key at the top."""
    if key in common:
        result[common[key].name] = _checked(value, common[key], place)
        return
    found = {name: keys[key] for name, keys in commands.items() if key in keys}
    if not found:
        raise _unknown(place, key, {*common, *(k for keys in commands.values() for k in keys)})
    for name, param in found.items():
        result[name][param.name] = _checked(value, param, place)


def _own(place: str, key: str, value: Any, keys: Mapping[str, Any]) -> dict[str, Any]:
    """A key of a command's table, as its parameter."""
    if key in _COMMON:
        raise UsageError(f"{place}: it holds for all commands", hint="move it to the top")
    if key not in keys:
        raise _unknown(place, key, keys)
    return {keys[key].name: _checked(value, keys[key], place)}


def origin(config: Config, command: str, param: Any) -> str:
    """Where in the file the value of a command's parameter is."""
    table = config.values.get(command)
    where = (
        "" if not isinstance(table, dict) or _key(param) not in table else f"table [{command}], "
    )
    return f"{config.path}, {where}key {_key(param)}"


def _keys(
    command: Any, without: Collection[str] = frozenset(_NOT_KEPT | _COMMON)
) -> dict[str, Any]:
    return {key: param for param in command.params if (key := _key(param)) not in without}


def _key(param: Any) -> str:
    """``topic-template`` of an option, ``symbols`` of an argument."""
    long = [text for text in param.opts if text.startswith("--")]
    return str(long[0].removeprefix("--") if long else param.name)


def _checked(value: Any, param: Any, place: str) -> Any:
    """The value, if its type is one that the option can have; the rest is up to the option."""
    if getattr(param, "multiple", False) or param.nargs != 1:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise UsageError(f"{place}: the value is not a list of texts", hint='write ["…", "…"]')
        return value
    if getattr(param, "is_flag", False):
        if not isinstance(value, bool):
            raise UsageError(f"{place}: the value is neither true nor false")
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError(f"{place}: the value is not a text or a number")
    if isinstance(value, str) or param.type.name.partition(" ")[0] in ("int", "float"):
        return value
    raise UsageError(f"{place}: the value is not a text", hint="put it in quotes")


def _unknown(place: str, name: str, known: Collection[str] | Mapping[str, Any]) -> UsageError:
    what = "there is no such key" if ", key " in place else "there is no such table"
    near = difflib.get_close_matches(name, list(known), 1)
    return UsageError(
        f"{place}: {what}",
        hint=f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}",
    )
