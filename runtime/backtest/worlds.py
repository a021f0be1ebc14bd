"""A recorded past under one policy: the monitor's own code over the same segments, the ledger's own fold.

    entry -> fold (specs under the policy) -> monitor -> what it finds, at its own thresholds

Two worlds read each segment once. What a world finds is found in the versions that answered: they are history's, for
no version was asked that a policy would have put in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Self

from runtime.domain import events as e
from runtime.domain.entry import Entry
from runtime.domain.fold import apply
from runtime.domain.policies import PolicyApproved, PolicyState, PolicyVersion
from runtime.domain.policy_document import PolicyDocument
from runtime.domain.records import replace
from runtime.domain.state import FleetState
from runtime.domain.tokens import fits
from runtime.monitoring.fold import Monitor
from runtime.monitoring.judged import Judged
from runtime.monitoring.rows import DecisionRows, OutcomeRows
from runtime.monitoring.shards import Shard
from runtime.monitoring.watch import Watch

_TRIED = ""
"""The place of the policy that is tried: no policy bears this name."""


@dataclass(frozen=True, slots=True)
class Chosen(Shard):
    """The models whose names fit, or one of several parts of them."""

    patterns: tuple[str, ...] = ("*",)

    def owns(self, model: str) -> bool:
        """Whether the model is looked at."""
        return fits(model, self.patterns) and (self.monitors == 1 or Shard.owns(self, model))


@dataclass(slots=True)
class Recorded:
    """What objects and segments hold, each segment read once for all worlds that ask for it in turn."""

    read_object: Callable[[str], bytes]
    read_decisions: Callable[[str], list[DecisionRows]]
    read_outcomes: Callable[[str], list[OutcomeRows]]
    _decisions: tuple[str, list[DecisionRows]] = field(default=("", []))
    _outcomes: tuple[str, list[OutcomeRows]] = field(default=("", []))

    def decisions(self, digest: str) -> list[DecisionRows]:
        """Raises what reading a segment raises."""
        if self._decisions[0] != digest:
            self._decisions = (digest, self.read_decisions(digest))
        return self._decisions[1]

    def outcomes(self, digest: str) -> list[OutcomeRows]:
        """Raises what reading a segment raises."""
        if self._outcomes[0] != digest:
            self._outcomes = (digest, self.read_outcomes(digest))
        return self._outcomes[1]

    def monitor(self, shard: Shard) -> Replayed:
        """One that knows nothing yet."""
        return Replayed(
            self.read_object,
            self.decisions,
            self.outcomes,
            shard,
        )


class HeardWatch(Watch):
    """A watch that also says which rows were judged."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self.heard: list[Judged] = []

    def judged(self, rows: Sequence[Judged]) -> None:
        """Takes a tick's rows."""
        super().judged(rows)
        self.heard += rows


class Replayed(Monitor):
    """The monitor, with watches that are heard."""

    def _watch(self, model: str) -> Watch:
        return self.watches.setdefault(model, HeardWatch(model))

    def heard(self) -> Iterator[tuple[HeardWatch, list[Judged]]]:
        """The rows that were judged since this was asked last."""
        for watch in self.watches.values():
            if isinstance(watch, HeardWatch) and watch.heard:
                rows, watch.heard = watch.heard, []
                yield watch, rows


class World:
    """What is so under one policy, and what its monitor finds; without one of its own it finds what another does."""

    def __init__(
        self, state: FleetState, shard: Shard, monitor: Replayed | None, policy: PolicyDocument | None = None
    ) -> None:
        self.state, self.owns, self.monitor, self.policy = state, shard.owns, monitor, policy
        self._shard = shard
        self._rule()

    @classmethod
    def recorded(cls, recorded: Recorded, shard: Shard) -> Self:
        """Of the policies that were in force, from the first entry on."""
        monitor = recorded.monitor(shard)
        return cls(monitor.state, shard, monitor)

    def under(self, policy: PolicyDocument, recorded: Recorded) -> World:
        """From here on under the policy."""
        state = copied(self.state)
        if self.monitor is None or (policy.monitor is None and policy.alarm_budget is None):
            return World(state, self._shard, None, policy)
        monitor = recorded.monitor(self._shard)
        monitor.state, monitor.watches = state, deepcopy(self.monitor.watches)
        return World(state, self._shard, monitor, policy)

    @property
    def times_retrainings(self) -> bool:
        """Whether the policy has a window of its own in which models are retrained."""
        said = None if self.policy is None else self.policy.retrain
        return said is not None and "window" in said.model_fields_set

    def take(self, entry: Entry) -> list[e.FindingOpened]:
        """The next entry; what is found that its own monitor found."""
        if self.monitor is None:
            apply(self.state, entry)
            drafts = []
        else:
            drafts = self.monitor.apply(entry)
        if isinstance(entry.event, e.MonitoringBudgetSet | PolicyApproved):
            self._rule()
        return [draft.event for draft in drafts if isinstance(draft.event, e.FindingOpened)]

    def take_without_data(self, entry: Entry) -> None:
        """The next entry, whose segment is gone."""
        if self.monitor is None:
            apply(self.state, entry)
        else:
            self.monitor.apply_without_data(entry)

    def _rule(self) -> None:
        """The policy rules over all that are in force, and in place of the one that bears its name."""
        if self.policy is None:
            return
        known = self.state.policies.get(self.policy.name)
        if known is not None:
            self.state.policies[known.name] = replace(known, in_force=None)
        self.state.policies.pop(_TRIED, None)
        self.state.policies[_TRIED] = PolicyState(_TRIED, in_force=_tried(self.policy))
        self.state.forget_rules()
        if self.policy.alarm_budget is not None:
            self.state.alarm_budget = self.policy.alarm_budget
        if self.monitor is not None:
            self.monitor.rule()


def _tried(policy: PolicyDocument) -> PolicyVersion:
    return PolicyVersion(
        document=policy.as_document(),
        digest=policy.digest,
        proposed_by="",
        proposed_at=datetime(1970, 1, 1, tzinfo=UTC),
        proposed=0,
        reason="tried on the past",
    )


def copied(state: FleetState) -> FleetState:
    """The state, to be folded on apart: its dictionaries copied, its records shared, since they are replaced."""
    twin = copy(state)
    for each in fields(state):
        value = getattr(state, each.name)
        if isinstance(value, dict):
            setattr(twin, each.name, value.copy())
    return twin
