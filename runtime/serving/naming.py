"""Which version a caller asked for by name, and whether that takes the role tester.

    /versions/{v} in the path      the champion: any client's; the challenger: a tester's
    fleetward-version: N           a tester's, whichever of the two it names
    fleetward-version: challenger  or ``champion``: as above, without the number

Live are champion and challenger, each under its grant; no header reaches another version. What a tester is answered is
kept as any decision, with the flag ``tested``: it is no draw of the split, so monitors and comparisons leave it out.
"""

from __future__ import annotations

from runtime.domain.errors import FleetwardError, RequestError
from runtime.serving.call import Call
from runtime.serving.live import Live
from runtime.serving.pool import Pool

HEADER = b"fleetward-version"
_CHAMPION, _CHALLENGER = "champion", "challenger"


class NoChallenger(FleetwardError):
    """The model has no rollout at this moment."""

    status = 409

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self.model = model

    def __str__(self) -> str:
        return f"model {self.model!r} has no challenger now"


def named(call: Call, pool: Pool) -> Call:
    """The call with the version that its header names.

    Raises ``NotAllowed`` (before anything is said of the model), ``RequestError`` for a header that is no version or
    contradicts the path, ``UnknownModel``, ``NotServable`` and ``NoChallenger``.
    """
    value = call.headers.get(HEADER)
    if value is None:
        return call if call.version is None else _by_path(call, call.version, pool)
    call.who.check_tests()
    text = value.decode("latin-1")
    version = _version(text, pool.live(call.model))
    if call.version not in {None, version}:
        raise RequestError("header fleetward-version", text, f"none, or {call.version} as the path says")
    return call.about(version, is_test=True)


def _by_path(call: Call, version: str, pool: Pool) -> Call:
    challenger = pool.live(call.model).challenger
    if challenger is None or str(challenger.version) != version:
        return call
    call.who.check_tests()
    return call.about(version, is_test=True)


def _version(text: str, live: Live) -> str:
    if text == _CHALLENGER:
        if live.challenger is None:
            raise NoChallenger(live.model)
        return str(live.challenger.version)
    if text == _CHAMPION:
        if live.champion is None:
            raise live.unserved
        return str(live.champion.version)
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise RequestError("header fleetward-version", repr(text[:40]), "a version's number, champion or challenger")
    return text
