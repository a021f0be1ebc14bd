"""What the ledger's entries fold into for one model: its versions, rollout, findings, and what people said of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from runtime.domain.base import DAWN
from runtime.domain.errors import UnknownVersion
from runtime.domain.events import ApprovalRequested, FindingOpened, Fitness, Step, VersionApproved, VersionRegistered
from runtime.domain.findings import Answered, IncidentOpened
from runtime.domain.grant import SignedGrant
from runtime.domain.guards import GuardReading
from runtime.domain.lifecycle import RENEWABLE, Status
from runtime.domain.people import Consent
from runtime.domain.reports import Comparison, EvaluationReport
from runtime.domain.verdict import Verdict


@dataclass(frozen=True, slots=True)
class VersionState:
    """One immutable trained result and where it stands."""

    number: int
    status: Status
    registered: VersionRegistered
    registered_by: str
    registered_at: datetime
    report: EvaluationReport | None = None
    request: ApprovalRequested | None = None
    """What people are asked, as long as they are."""
    consents: tuple[Consent, ...] = ()
    """Who agreed to the newest request."""
    approval: VersionApproved | None = None
    revoked: str = ""
    """Why it may not serve any more; empty since it was approved."""
    declined: str = ""
    """The grant that people would not have renewed."""
    signed: SignedGrant | None = None
    moving: SignedGrant | None = None
    """In another pool than ``signed``: where the model moves to, and just after that where it was."""
    reason: str = ""

    @property
    def approvers(self) -> tuple[str, ...]:
        """Who agreed, in order."""
        return tuple(consent.by for consent in self.consents)

    @property
    def is_asked_about(self) -> bool:
        """Whether people can decide on it: it waits for its approval, or is to serve for longer."""
        return self.request is not None and (self.status is Status.AWAITING_APPROVAL or self.status in RENEWABLE)

    @property
    def needed(self) -> int:
        """How many must agree; none while nobody is asked."""
        return 0 if self.request is None else self.request.people.number

    @property
    def grants(self) -> tuple[SignedGrant, ...]:
        """All that it holds."""
        return tuple(each for each in (self.signed, self.moving) if each is not None)

    def grant_in(self, pool: str) -> SignedGrant | None:
        """What allows the pool's replicas to serve it."""
        return next((each for each in self.grants if each.grant.pool == pool), None)


@dataclass(frozen=True, slots=True)
class RolloutState:
    """A running rollout: at ``steps[step]``, with the step's evidence once the monitor measured it."""

    version: int
    steps: tuple[Step, ...]
    step: int
    measured: Comparison | None = None
    measured_as_of: datetime | None = None
    guards: tuple[GuardReading, ...] = ()
    since: datetime = DAWN
    """How far ticks were closed when the step began."""
    paused: str = ""
    """Why somebody holds it at its step."""

    @property
    def current(self) -> Step:
        """The step it is at."""
        return self.steps[self.step]


@dataclass(frozen=True, slots=True)
class FindingState:
    """A finding, and what the policy and people answered."""

    opened: FindingOpened
    seq: int
    verdict: Verdict | None = None
    answered: Answered | None = None
    acknowledged_by: str | None = None
    incident: str | None = None
    """The common cause that it belongs to."""


@dataclass(frozen=True, slots=True)
class IncidentState:
    """One cause of many models' findings; ``models`` are those that joined, ``newest`` the last alarm of it."""

    opened: IncidentOpened
    seq: int
    models: tuple[str, ...]
    newest: datetime
    answered: Answered | None = None
    acknowledged_by: str | None = None


@dataclass(frozen=True, slots=True)
class OpenedGlass:
    """Who wants a version to serve at once, for how long and why, and who signed."""

    version: int
    by: str
    at: datetime
    valid_seconds: int
    reason: str
    signed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Retiring:
    """The end that a model's callers were told."""

    until: datetime
    since: datetime
    by: str
    reason: str
    successor: str | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """The newest word of somebody who looked at a model."""

    version: int
    found: Fitness
    by: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class ModelState:
    """A named purpose with its versions; ``former`` are champions one could go back to, newest last."""

    name: str
    spec: str
    partition: dict[str, str]
    seq: int
    versions: dict[int, VersionState] = field(default_factory=dict)
    champion: int | None = None
    champion_since: datetime | None = None
    former: tuple[int, ...] = ()
    rollout: RolloutState | None = None
    due: str | None = None
    due_since: datetime | None = None
    due_weight: float = 0.0
    """What waiting costs, among the models that are due: loss x traffic x tier."""
    back_due: str | None = None
    """The finding because of which the former champion is to come back."""
    broken: str | None = None
    """The finding because of which a person was called: its data are broken, and nothing is learnt from them."""
    broken_at: datetime | None = None
    trained_until: datetime | None = None
    """The moment of its last retraining, whatever came of it."""
    scored: int | None = None
    """The newest version of which it was told whether its retraining helped."""
    batch: str | None = None
    snoozed_until: datetime = DAWN
    suspended: bool = False
    retired: bool = False
    findings: int = 0
    retrainings: int = 0
    pool: str = ""
    """Where it is answered; empty before its first grant."""
    pools: tuple[str, ...] = ()
    """Wherever it ever held a grant: whose replicas must hear of it."""
    glass: OpenedGlass | None = None
    retiring: Retiring | None = None
    """Stays when it is retired: what its callers were told."""
    review: Review | None = None

    @property
    def next_version(self) -> int:
        """The number the next registered version takes: numbers only grow."""
        return max(self.versions, default=0) + 1

    def version(self, number: int) -> VersionState:
        """Raises ``UnknownVersion``."""
        try:
            return self.versions[number]
        except KeyError:
            raise UnknownVersion(self.name, str(number)) from None

    @property
    def serving(self) -> VersionState | None:
        """The champion, if there is one."""
        return None if self.champion is None else self.versions[self.champion]
