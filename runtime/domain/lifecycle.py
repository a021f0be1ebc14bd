"""The life of a version: every legal move, in one table. Anything else is refused.

registered -> evaluated -> (refused | awaiting approval) -> approved -> shadow -> canary -> champion
-> superseded -> retired; a challenger under rollout, and a champion, may also be rolled back.
What was approved once may be asked about and approved again, and stays what it is.
"""

from __future__ import annotations

from enum import StrEnum

from runtime.domain.errors import IllegalMove


class Status(StrEnum):
    """Where a version stands."""

    REGISTERED = "registered"
    EVALUATED = "evaluated"
    REFUSED = "refused"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    SHADOW = "shadow"
    CANARY = "canary"
    CHAMPION = "champion"
    SUPERSEDED = "superseded"
    ROLLED_BACK = "rolled_back"
    RETIRED = "retired"


class Move(StrEnum):
    """What can happen to a version."""

    EVALUATE = "evaluate"
    REFUSE = "refuse"
    REQUEST_APPROVAL = "request approval"
    APPROVE = "approve"
    RENEW = "renew"
    SHADOW = "shadow"
    CANARY = "canary"
    PROMOTE = "promote"
    SUPERSEDE = "supersede"
    ROLL_BACK = "roll back"
    RESTORE = "restore"
    RETIRE = "retire"


RENEWABLE = frozenset({Status.APPROVED, Status.SHADOW, Status.CANARY, Status.CHAMPION, Status.SUPERSEDED})
"""Statuses of a version that was approved and may serve, or be gone back to."""

_S, _M = Status, Move
_MOVES: dict[tuple[Status, Move], Status] = {
    (_S.REGISTERED, _M.EVALUATE): _S.EVALUATED,
    (_S.REGISTERED, _M.REFUSE): _S.REFUSED,
    (_S.EVALUATED, _M.REFUSE): _S.REFUSED,
    (_S.EVALUATED, _M.REQUEST_APPROVAL): _S.AWAITING_APPROVAL,
    (_S.EVALUATED, _M.APPROVE): _S.APPROVED,
    (_S.AWAITING_APPROVAL, _M.APPROVE): _S.APPROVED,
    (_S.AWAITING_APPROVAL, _M.REQUEST_APPROVAL): _S.AWAITING_APPROVAL,  # of others, when nobody decided
    (_S.AWAITING_APPROVAL, _M.REFUSE): _S.REFUSED,
    (_S.APPROVED, _M.REFUSE): _S.REFUSED,
    (_S.APPROVED, _M.SHADOW): _S.SHADOW,
    (_S.APPROVED, _M.CANARY): _S.CANARY,
    (_S.APPROVED, _M.PROMOTE): _S.CHAMPION,
    (_S.APPROVED, _M.ROLL_BACK): _S.ROLLED_BACK,  # at the full step, just before it is promoted
    (_S.SHADOW, _M.CANARY): _S.CANARY,
    (_S.SHADOW, _M.PROMOTE): _S.CHAMPION,
    (_S.SHADOW, _M.ROLL_BACK): _S.ROLLED_BACK,
    (_S.CANARY, _M.CANARY): _S.CANARY,
    (_S.CANARY, _M.PROMOTE): _S.CHAMPION,
    (_S.CANARY, _M.ROLL_BACK): _S.ROLLED_BACK,
    (_S.CHAMPION, _M.SUPERSEDE): _S.SUPERSEDED,
    (_S.CHAMPION, _M.ROLL_BACK): _S.ROLLED_BACK,
    (_S.SUPERSEDED, _M.RESTORE): _S.CHAMPION,
}
_MOVES |= {(status, _M.RETIRE): _S.RETIRED for status in _S if status is not _S.RETIRED}
_MOVES |= {(status, _M.RENEW): status for status in RENEWABLE}


def after(model: str, version: int, status: Status, move: Move) -> Status:
    """The status after a move. Raises ``IllegalMove`` naming the legal ones."""
    try:
        return _MOVES[status, move]
    except KeyError:
        legal = ", ".join(sorted(m.value for s, m in _MOVES if s is status)) or "none"
        what = f"{move.value} {model} version {version}"
        raise IllegalMove(what, f"it is {status.value}; legal moves are: {legal}") from None
