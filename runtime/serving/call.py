"""One request on its way to its handler."""

from __future__ import annotations

from typing import NamedTuple

from runtime.serving.authentication.identity import Identity
from runtime.serving.body import Headers, Receive
from runtime.serving.router import Found


class Call(NamedTuple):
    """One request on its way to its handler."""

    found: Found
    method: str
    path: str
    headers: Headers
    receive: Receive
    started: float
    """``time.perf_counter()`` when the request arrived."""
    who: Identity
    trace_id: str
    is_test: bool = False
    """A tester named the version: no draw of the split."""

    @property
    def caller(self) -> str:
        """The caller's name, as decision records have it."""
        return self.who.caller

    @property
    def model(self) -> str:
        """The model in the path."""
        return self.found.values["model"]

    @property
    def version(self) -> str | None:
        """The version in the path, if it names one."""
        return self.found.values.get("version")

    def about(self, version: str, *, is_test: bool) -> Call:
        """The same, of this version."""
        found = Found(self.found.endpoint, {**self.found.values, "version": version})
        return self._replace(found=found, is_test=is_test)
