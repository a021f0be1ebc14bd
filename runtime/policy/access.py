"""Who may record which event: separation of duties, as a table.

A ``service:`` is an actor of this cluster, a ``job:`` a job of its MLOps plane, and a ``user:`` a person or a client.
Where the ledger says that authentication is required, a person holds the roles of the key they act with and those
that were given to them, and services and jobs must hold the cluster's own secret. Where it says ``none``, principals
are believed as they are named, and a person may hold every role. Nobody ever approves a version they registered, nor
routes it (``duties``).
"""

from __future__ import annotations

from collections.abc import Iterable

from runtime.domain import alarms as a
from runtime.domain import erasure as s
from runtime.domain import events as e
from runtime.domain import findings as f
from runtime.domain import keeping as k
from runtime.domain import policies as p
from runtime.domain import tokens as t
from runtime.domain.errors import Forbidden, Unproven
from runtime.domain.state import FleetState
from runtime.domain.tokens import GIVEN, GOVERNOR_ITSELF, Authenticated, Role
from runtime.policy.duties import check_duties

_PERSON = "user:"

_PRINCIPALS: tuple[tuple[str, frozenset[Role]], ...] = (
    ("service:governor", frozenset({Role.GOVERNOR})),
    ("service:operator", frozenset({Role.OPERATOR})),
    ("service:monitor", frozenset({Role.MONITOR})),
    ("service:replica", frozenset({Role.REPLICA})),
    ("job:replay", frozenset({Role.OPERATOR})),
    ("job:", frozenset({Role.DEVELOPER})),
    (_PERSON, GIVEN),
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
        e.RetirementAnnounced,
        e.RetirementCancelled,
        e.ApprovalTimedOut,
        e.ApprovalRevoked,
        e.RenewalAsked,
        e.BreakGlassOpened,
        e.BreakGlassSigned,
        e.FindingOpened,
        e.RolloutStarted,
        e.RolloutAdvanced,
        e.RolloutAborted,
        e.RolloutPaused,
        e.RolloutResumed,
        e.WavesStopped,
        e.WavesResumed,
        e.RetrainingBudgetSet,
        e.VersionPromoted,
        e.RolledBack,
        e.WatermarkAdvanced,
        e.RetrainingStarted,
        e.RetrainingFinished,
        e.PoolConfigured,
        e.ModelMoved,
        f.FindingAnswered,
        a.MonitoringBudgetSet,
        p.PolicyProposed,
        e.MonitorsSet,
        k.LegalHoldPlaced,
        k.LegalHoldReleased,
        k.BodiesDeleted,
        k.EvidenceExported,
        s.SubjectErasureOrdered,
        s.SubjectErased,
    ),
    Role.APPROVER: (
        p.PolicyApproved,
        p.PolicyRejected,
        e.ApprovalGiven,
        e.VersionRefused,
        e.RenewalAsked,
        e.RenewalRefused,
        e.ApprovalRevoked,
        e.BreakGlassSigned,
        e.ModelReviewed,
        f.FindingAnswered,
        k.EvidenceExported,
    ),
    Role.AUDITOR: (k.EvidenceExported,),  # changes nothing, and what it takes out is told
    Role.CLIENT: (),
    Role.TESTER: (),
    Role.ADMIN: (
        e.PoolConfigured,
        a.MonitoringBudgetSet,
        p.PolicyProposed,
        p.PolicyApproved,
        p.PolicyRejected,
        t.TokenCreated,
        t.TokenRevoked,
        t.RoleGiven,
        t.RoleTaken,
    ),
    Role.GOVERNOR: (
        e.GovernorStarted,
        e.CommandRefused,
        e.ApprovalRequested,
        e.VersionApproved,
        e.VersionRefused,
        e.GrantIssued,
        e.GrantRevoked,
        e.VerdictReached,
        e.RenewalRefused,
        e.FindingOpened,
        f.IncidentOpened,
        t.AuthenticationSet,
        t.TokenCreated,  # the first admin's
    ),
    Role.MONITOR: (
        e.FindingOpened,
        e.TicksClosed,
        e.RolloutMeasured,
        e.RetrainingScored,
        a.TrafficMeasured,
        e.MonitorSaved,
    ),
    Role.REPLICA: (e.SegmentSealed, e.RecordsLost, e.RecordsDropped, e.LoadRefused, t.AccessRefused),
}


def roles_of(principal: str) -> frozenset[Role]:
    """The roles of a principal; none for one that no prefix fits."""
    return next((roles for prefix, roles in _PRINCIPALS if principal.startswith(prefix)), frozenset())


def may_record(roles: Iterable[Role], kind: type[object]) -> bool:
    """Whether one of the roles allows events of this type, as far as roles go."""
    return any(kind in _ALLOWED[role] for role in roles)


def check(state: FleetState, event: e.Event, principal: str, proof: Authenticated | None = None) -> None:
    """Raises ``Forbidden`` when the principal may not record this event now; ``proof`` is who they proved to be."""
    roles = _proved(state, event, principal, proof) if state.authentication == "required" else roles_of(principal)
    # Whose yes is asked for stands in the request: a seat may be of any role that people hold.
    if not isinstance(event, e.ApprovalGiven) and not any(isinstance(event, _ALLOWED[role]) for role in roles):
        needed = sorted(role.value for role, kinds in _ALLOWED.items() if isinstance(event, kinds))
        held = sorted(role.value for role in roles) or "no role"
        raise Forbidden(f"{event.kind} by {principal}", f"it needs the role {' or '.join(needed)}; held: {held}")
    check_duties(event, state, principal, roles)


def _proved(state: FleetState, event: e.Event, principal: str, proof: Authenticated | None) -> frozenset[Role]:
    """The roles with which an authenticated principal acts. Raises ``Forbidden`` when it is not who it says it is."""
    what = f"{event.kind} by {principal}"
    if not principal.startswith(_PERSON):
        if proof is None or not proof.is_own:
            raise Forbidden(what, "services and jobs need the cluster's own secret")
        if Role.GOVERNOR in roles_of(principal) and proof != GOVERNOR_ITSELF:
            raise Forbidden(what, "the governor hands nothing in")
        return roles_of(principal)
    if proof is None:
        raise Unproven(what, "authentication is required: expected a valid key or token")
    if proof.principal != principal:
        raise Forbidden(what, f"the credential is that of {proof.principal or 'the cluster itself'}")
    return proof.roles | frozenset(state.roles.get(principal, ()))
