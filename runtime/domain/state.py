"""What the ledger's entries fold into: specs, models, versions, rollouts, findings, batches.

Records are frozen and replaced; the fold (``fold/``) owns the dictionaries of ``FleetState`` and is the
only one that changes them.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from runtime.domain.base import DAWN
from runtime.domain.capacity import RetrainingBudgetSet
from runtime.domain.errors import Refused, UnknownModel
from runtime.domain.findings import Alarm, UnknownFinding
from runtime.domain.model_state import (
    FindingState,
    IncidentState,
    ModelState,
)
from runtime.domain.policies import PolicyState
from runtime.domain.policy_document import PolicyDocument, ruled
from runtime.domain.pools import PoolOptions
from runtime.domain.spec import Spec
from runtime.domain.tokens import Key, Mode, Role


@dataclass(frozen=True, slots=True)
class BatchState:
    """One retraining job for several models."""

    batch: str
    spec: str
    models: tuple[str, ...]
    as_of: datetime
    seq: int
    finished: bool = False
    succeeded: bool = False
    reason: str = ""
    alarms: dict[str, datetime] = field(default_factory=dict)
    findings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HoldState:
    """A legal hold on a model's records."""

    hold: int
    model: str
    reason: str
    by: str
    seq: int
    released: str | None = None
    """Why it ended."""


@dataclass(frozen=True, slots=True)
class ErasureState:
    """An erasure of what a data subject was to one model; ``erased`` is the entry that says it is done."""

    model: str
    pseudonym: str
    records: int
    reason: str
    by: str
    ordered: int
    erased: int | None = None


@dataclass(frozen=True, slots=True)
class TokenState:
    """An API key, who made it and when; ``seq`` is its last entry."""

    key: Key
    by: str
    at: datetime
    seq: int
    reason: str = ""
    """Why it was revoked."""


@dataclass(frozen=True, slots=True)
class MonitorSave:
    """The newest that one monitor saved, as of ``size`` entries, and what it had saved before it."""

    monitors: int
    monitor: int
    size: int
    digest: str
    before: str = ""

    @staticmethod
    def key_of(monitors: int, monitor: int) -> str:
        """Where it stands among all: a monitor is one of so many."""
        return f"{monitor} of {monitors}"

    @classmethod
    def keys_of(cls, monitors: int) -> tuple[str, ...]:
        """Those of so many monitors, all together."""
        return tuple(cls.key_of(monitors, monitor) for monitor in range(monitors))

    @property
    def key(self) -> str:
        """Its own."""
        return self.key_of(self.monitors, self.monitor)


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over the whole ledger."""

    decisions: int = 0
    outcomes: int = 0
    segments: int = 0
    lost: int = 0
    deleted: int = 0
    dropped: int = 0
    erased: int = 0
    refused_loads: int = 0
    refused_commands: int = 0
    refused_requests: int = 0


@dataclass(slots=True)
class FleetState:
    """Everything the ledger says as of ``size`` entries."""

    size: int = 0
    specs: dict[str, Spec] = field(default_factory=dict)
    models: dict[str, ModelState] = field(default_factory=dict)
    skipped: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)
    findings: MutableMapping[str, FindingState] = field(default_factory=dict)
    incidents: dict[str, IncidentState] = field(default_factory=dict)
    causes: dict[str, str] = field(default_factory=dict)
    """Incidents that were not ended, by their cause."""
    alarms: dict[str, tuple[Alarm, ...]] = field(default_factory=dict)
    """The newest alarms, one a model, by what they may have for a cause."""
    alarm_budget: float | None = None
    """False alarms in 30 days that the fleet may raise; none was set before the first entry about it."""
    traffic: dict[str, float] = field(default_factory=dict)
    """Rows a day by model, as measured last."""
    policies: dict[str, PolicyState] = field(default_factory=dict)
    """What overrides specs, and what is to; of those in force the one that was approved last stands last."""
    batches: dict[str, BatchState] = field(default_factory=dict)
    retraining_budget: RetrainingBudgetSet | None = None
    waves: dict[str, str] = field(default_factory=dict)
    """Batches whose later waves do not start, and why; empty of one that somebody let go on."""
    holds: dict[int, HoldState] = field(default_factory=dict)
    erasures: dict[str, ErasureState] = field(default_factory=dict)
    tokens: dict[str, TokenState] = field(default_factory=dict)
    roles: dict[str, tuple[Role, ...]] = field(default_factory=dict)
    pools: dict[str, PoolOptions] = field(default_factory=dict)
    authentication: Mode = "none"
    watermark: datetime = DAWN
    ticks_until: datetime = DAWN
    monitors: int = 1
    closed_by: dict[int, datetime] = field(default_factory=dict)
    """How far each of the monitors has closed its models' ticks, since they are so many."""
    saves: dict[str, MonitorSave] = field(default_factory=dict)
    totals: Totals = Totals()
    governor_starts: int = 0
    order: dict[str, None] = field(default_factory=dict, compare=False, repr=False)
    """Models by their newest entry, oldest first: follows from ``models``, and is made again where it is not there."""
    ruled: dict[str, tuple[Spec, Spec]] = field(default_factory=dict, compare=False, repr=False)
    """Specs and what policies make of them: follows from ``specs`` and ``policies``."""

    def newest_first(self) -> Iterator[ModelState]:
        """Models by their newest entry, so that whoever looks for changes need not look at all."""
        if len(self.order) != len(self.models):
            self.order = dict.fromkeys(sorted(self.models, key=lambda name: self.models[name].seq))
        return map(self.models.__getitem__, reversed(self.order))

    def put(self, model: ModelState) -> None:
        """The model as its newest entry makes it."""
        self.newest_first()
        self.models[model.name] = model
        self.order.pop(model.name, None)
        self.order[model.name] = None

    def model(self, name: str) -> ModelState:
        """Raises ``UnknownModel``."""
        try:
            return self.models[name]
        except KeyError:
            raise UnknownModel(name) from None

    def holds_on(self, model: str) -> list[HoldState]:
        """The legal holds on a model that were not released."""
        return [hold for hold in self.holds.values() if hold.model == model and hold.released is None]

    def finding(self, name: str) -> FindingState | IncidentState:
        """A finding or an incident by its id, or by the first letters of it. Raises ``UnknownFinding``."""
        known = self.findings.get(name) or self.incidents.get(name)
        if known is not None:
            return known
        found = [each for kind in (self.findings, self.incidents) for each in kind if name and each.startswith(name)]
        if len(found) != 1:
            raise UnknownFinding(name, f"{len(found)} begin with it" if found else "none has that id")
        return self.findings.get(found[0]) or self.incidents[found[0]]

    def keys_since(self, size: int) -> list[Key]:
        """API keys that were made or revoked by entries from number ``size`` on."""
        return [token.key for token in self.tokens.values() if token.seq >= size]

    def erased_since(self, size: int) -> list[str]:
        """Pseudonyms whose keys are gone, by entries from number ``size`` on."""
        return [each.pseudonym for each in self.erasures.values() if each.erased is not None and each.erased >= size]

    def spec_of(self, model: ModelState) -> Spec:
        """The spec a model was declared by, with what policies in force override of it."""
        return self.spec_under_policies(model.spec)

    def spec_under_policies(self, name: str) -> Spec:
        """What decides about the models of a spec now."""
        spec = self.specs[name]
        if not self.policies:
            return spec
        known = self.ruled.get(name)
        if known is None or known[0] is not spec:
            known = self.ruled[name] = (spec, ruled(spec, self.rules))
        return known[1]

    @property
    def rules(self) -> list[PolicyDocument]:
        """The policies in force, in the order in which they rule over each other."""
        found = [policy.in_force for policy in self.policies.values() if policy.in_force is not None]
        return [PolicyDocument.model_validate(each.document) for each in found]

    def forget_rules(self) -> None:
        """Other policies are in force than a moment ago."""
        self.ruled.clear()

    def pool_wanted(self, model: ModelState) -> str:
        """The pool that a model's spec wants it answered in."""
        return self.spec_of(model).serving.pool_of(model.name)

    def snooze_of(self, model: ModelState) -> timedelta:
        """How long a model is left alone after a challenger failed."""
        return self.spec_of(model).retrain.snooze

    def spec(self, name: str) -> Spec:
        """Raises ``Refused`` when no such spec was applied."""
        try:
            return self.specs[name]
        except KeyError:
            raise Refused(f"use of spec {name!r}", f"no such spec was applied; applied: {sorted(self.specs)}") from None
