"""The answer to one question about this installation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    name : str
        What; the key in ``--json``.
    ok : bool or None
        Whether it is as it should be; None where both are fine.
    text : str
        What was found.
    hint : str, optional
        What to do if it is not as it should be.
    details : mapping
        The findings one by one, for programs.
    """

    name: str
    ok: bool | None
    text: str
    hint: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The check as ``--json`` shows it below its name."""
        hint = None if self.ok else self.hint
        return {"ok": self.ok, "text": self.text, "hint": hint, **self.details}
