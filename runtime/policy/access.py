"""Who may record which event: separation of duties, as a table.

Principals are named, not yet authenticated: a ``service:`` is an actor of this cluster, a ``job:`` a job of
its MLOps plane, and a ``user:`` a person at its command line, who may hold every human role but never both
register and approve the same version.
"""

from __future__ import annotations

from enum import StrEnum

from runtime.domain import erasure as s
from runtime.domain import events as e
from runtime.domain import keeping as k
from runtime.domain.errors import Forbidden
from runtime.domain.state import FleetState


class Role(StrEnum):
    """What a principal may do."""

    DEVELOPER = "developer"
    OPERATOR = "operator"
    APPROVER = "approver"
    GOVERNOR = "governor"
    MONITOR = "monitor"
    REPLICA = "replica"


_HUMAN = frozenset({Role.DEVELOPER, Role.OPERATOR, Role.APPROVER})

_PRINCIPALS: tuple[tuple[str, frozenset[Role]], ...] = (
    ("service:governor", frozenset({Role.GOVERNOR})),
    ("service:operator", frozenset({Role.OPERATOR})),
    ("service:monitor", frozenset({Role.MONITOR})),
    ("service:replica", frozenset({Role.REPLICA})),
    ("job:replay", frozenset({Role.OPERATOR})),
    ("job:", frozenset({Role.DEVELOPER})),
    ("user:", _HUMAN),
)
"""The first prefix that fits gives the roles."""

_ALLOWED: dict[Role, tuple[type, ...]] = {
    Role.DEVELOPER: (
        e.SpecApplied,
        e.ModelDeclared,
        e.PartitionSkipped,
        e.DatasetPrepared,
        e.TrainingFailed,
        e.VersionRegistered,
        e.VersionEvaluated,
    ),
    Role.OPERATOR: (
        e.ModelSuspended,
        e.ModelResumed,
        e.ModelRetired,
        e.RolloutStarted,
        e.RolloutAdvanced,
        e.RolloutAborted,
        e.VersionPromoted,
        e.RolledBack,
        e.WatermarkAdvanced,
        e.RetrainingStarted,
        e.RetrainingFinished,
        k.LegalHoldPlaced,
        k.LegalHoldReleased,
        k.BodiesDeleted,
        s.SubjectErasureOrdered,
        s.SubjectErased,
    ),
    Role.APPROVER: (e.ApprovalGiven, e.VersionRefused),
    Role.GOVERNOR: (
        e.GovernorStarted,
        e.CommandRefused,
        e.ApprovalRequested,
        e.VersionApproved,
        e.VersionRefused,
        e.GrantIssued,
        e.GrantRevoked,
        e.VerdictReached,
    ),
    Role.MONITOR: (e.FindingOpened, e.TicksClosed, e.RolloutMeasured),
    Role.REPLICA: (e.SegmentSealed, e.RecordsLost, e.RecordsDropped, e.LoadRefused),
}


def roles_of(principal: str) -> frozenset[Role]:
    """The roles of a principal; none for one that no prefix fits."""
    return next((roles for prefix, roles in _PRINCIPALS if principal.startswith(prefix)), frozenset())


def check(state: FleetState, event: e.Event, principal: str) -> None:
    """Raises ``Forbidden`` when the principal may not record this event now."""
    roles = roles_of(principal)
    if not any(isinstance(event, _ALLOWED[role]) for role in roles):
        needed = sorted(role.value for role, kinds in _ALLOWED.items() if isinstance(event, kinds))
        held = sorted(role.value for role in roles) or "no role"
        raise Forbidden(f"{event.kind} by {principal}", f"it needs the role {' or '.join(needed)}; held: {held}")
    if isinstance(event, e.ApprovalGiven):
        version = state.model(event.model).version(event.version)
        if version.registered_by == principal:
            raise Forbidden(
                f"approval of {event.model} version {event.version} by {principal}",
                "who registered a version may not approve it",
            )
