"""A model as its owner writes it: one YAML document, checked whole before anything runs.

``kind: model`` is one model; ``kind: fleet`` is a template and the columns whose distinct values make its
partitions, one model each (see ``fleet.py``). ``load.py`` reads the file and names line, path and value of
what is wrong.
"""

from __future__ import annotations

import string
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from runtime.domain import canonical
from runtime.domain.base import Document
from runtime.domain.data import Data, DecisionsSource
from runtime.domain.events import Stage, Step
from runtime.domain.gates import Gate, misfit_of_gates
from runtime.domain.guards import Guardrail
from runtime.domain.ids import digest_of
from runtime.domain.metrics import METRICS
from runtime.domain.misfit import misfit
from runtime.domain.overrides import Fallback, Override, misfit_of
from runtime.domain.people import BreakGlass, People
from runtime.domain.schema import TWO, Task, outputs_of
from runtime.domain.serving import Serving
from runtime.domain.steps import step_of
from runtime.domain.terms import ClassName, Duration
from runtime.domain.tokens import Person
from runtime.domain.training import Period, Training
from runtime.domain.watched import Monitoring, Retraining
from runtime.domain.waves import Waves


class RiskTier(StrEnum):
    """How much harm a wrong answer does; sets approvals, capture and the share of alarms."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


Told = Annotated[str, Field(min_length=1, max_length=4000)] | None
"""What an owner says of a model for its inventory; what is not said is listed as a gap in its evidence pack."""


class Owner(Document):
    """Who answers for the model; ``person`` as they act here, so that it is noticed when they are gone."""

    team: str = Field(min_length=1)
    contact: str = Field(min_length=3)
    person: Person | None = None


class Partitioning(Document):
    """Which columns split a fleet's data into models, and how many rows a partition needs."""

    by: tuple[str, ...] = Field(min_length=1)
    min_rows: int = Field(default=1, ge=1)


class AutomaticIf(Document):
    """One condition of automatic approval."""

    risk_tier: RiskTier


class Approval(Document):
    """Who may let a version serve. With no condition listed nothing is approved automatically.

    ``by_tier``: other people than ``otherwise`` for a risk tier. A champion's right to serve is asked for anew
    ``renew_before`` its end; absent, a fifth of ``valid_for``, and two weeks at most. ``break_glass``: whether, and how
    long, a version may serve on the word of two people; absent, up to four hours.
    """

    automatic_if: tuple[Literal["all_gates_pass"] | AutomaticIf, ...] = ()
    otherwise: People = People()
    by_tier: Annotated[dict[RiskTier, People], Field(min_length=1)] | None = None
    valid_for: Period = timedelta(days=90)
    renew_before: Duration | None = None
    break_glass: Literal["forbidden"] | BreakGlass | None = None

    @model_validator(mode="after")
    def _is_renewed_in_its_time(self) -> Self:
        if self.renew_before is not None and self.renew_before >= self.valid_for:
            raise misfit("renew_before", "as much as valid_for", "less than valid_for")
        return self

    def people(self, tier: RiskTier) -> People:
        """Who is asked about a version of this tier."""
        return (self.by_tier or {}).get(tier, self.otherwise)


class Capture(Document):
    """How surely decisions are kept, and how long.

    ``bounded``: kept before the answer goes out; a power loss may take the last 64 records or 20 ms. ``strict``: not
    even that, and what cannot be kept is not answered. ``sampled``: ``share`` of the decisions is kept as in
    ``bounded``; the others are counted.
    """

    policy: Literal["bounded", "strict", "sampled"] = "bounded"
    share: float | None = Field(default=None, gt=0, le=1)
    keep_for: Duration = timedelta(days=180)

    @model_validator(mode="after")
    def _a_sample_has_its_share(self) -> Self:
        if (self.policy == "sampled") != (self.share is not None):
            found = "nothing" if self.share is None else str(self.share)
            raise misfit("share", found, "the share to keep, such as 0.1, with policy sampled and with no other")
        return self


class Spec(Document):
    """The whole document. ``for_each`` is given if and only if it is a fleet."""

    kind: Literal["model", "fleet"]
    name: str
    for_each: Partitioning | None = None
    owner: Owner
    purpose: str = Field(min_length=1)
    intended_use: Told = None
    out_of_scope_use: Told = None
    operating_boundaries: Told = None
    assumptions: Told = None
    limitations: Told = None
    validator: Told = None
    """Who validated it, independently of its developer."""
    review_every: Period | None = None
    """How often somebody must look at it anew, and say that it is fit."""
    line_of_business: Told = None
    vendors: Told = None
    decommission_plan: Told = None
    risk_tier: RiskTier
    risk_rationale: Told = None
    """Exposure and purpose, and complexity (SR 26-2): why the tier is what it is."""
    task: Task
    classes: Annotated[tuple[ClassName, ...], Field(min_length=2, max_length=1000)] | None = None
    """What the target's values are, of a classification; absent, 0 and 1. Of two, the second is the one that counts."""
    data: Data
    train: Training
    gates: tuple[Gate, ...] = Field(min_length=1)
    monitor: Monitoring = Monitoring()
    retrain: Retraining = Retraining()
    approval: Approval = Approval()
    rollout: tuple[Annotated[Step, BeforeValidator(step_of)], ...] = (Step(stage=Stage.FULL, share=1.0, decisions=0),)
    guardrail: Guardrail = Guardrail()
    waves: Waves | None = None
    """How many of a fleet's models a batch of challengers reaches at once; absent, all."""
    serving: Serving = Serving()
    capture: Capture = Capture()
    overrides: Annotated[tuple[Override, ...], Field(min_length=1)] | None = None
    """When an answer is not to be trusted, and what goes out in its place."""

    @model_validator(mode="after")
    def _partitions_are_named(self) -> Self:
        if self.kind == "model" and self.for_each is not None:
            raise misfit(
                "for_each", f"columns {', '.join(self.for_each.by)}", "no for_each in a model, only in a fleet"
            )
        if self.kind == "fleet" and self.for_each is None:
            raise misfit("for_each", "nothing", "the columns that split the fleet, such as {by: [carrier]}")
        try:
            named = [name for _, name, _, _ in string.Formatter().parse(self.name) if name is not None]
        except ValueError as error:
            raise misfit("name", repr(self.name), f"text with {{column}} in it ({error})") from error
        if set(named) != set(self.group_columns):
            wanted = " and ".join(f"{{{column}}}" for column in self.group_columns) or "no {column}"
            raise misfit("name", repr(self.name), f"{wanted} in the name, to tell the partitions apart")
        return self

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not self.rollout or self.rollout[-1].stage is not Stage.FULL:
            last = self.rollout[-1].stage.value if self.rollout else "nothing"
            raise misfit("rollout", f"{last} as the last step", "{full: true} there")
        known = {*self.data.features, self.watched_output}
        unknown = [] if self.monitor.features == "all" else sorted(set(self.monitor.features) - known)
        if unknown:
            raise misfit("monitor.features", ", ".join(unknown), f"names among data.features, or {self.watched_output}")
        bounded = set() if self.monitor.checks is None else set(self.monitor.checks.within)
        if unknown := sorted(bounded - known):
            expected = f"names among data.features, or {self.watched_output}"
            raise misfit("monitor.checks.within", ", ".join(unknown), expected)
        strange = sorted(set(self.monitor.slices or ()) - set(self.data.features))
        if strange:
            raise misfit("monitor.slices", ", ".join(strange), "names among data.features")
        return self

    @model_validator(mode="after")
    def _split_fits_the_fleet(self) -> Self:
        if self.data.kept_together in self.group_columns:
            expected = "a column with several values in a partition, which has one of this"
            raise misfit("data.split.grouped", repr(self.data.kept_together), expected)
        if self.data.split not in {None, "time"} and self.retrain.holdout is not None:
            raise misfit("retrain.holdout", "days that alternate", "none with a split that does not go by time")
        return self

    @model_validator(mode="after")
    def _metric_fits_the_task(self) -> Self:
        proper = METRICS[self.task]
        expected = f"{', '.join(proper[:-1])} or {proper[-1]} for a {self.task.value}"
        if self.train.is_fitted and self.train.metric not in proper:
            raise misfit("train.metric", repr(self.train.metric.value), expected)
        for at, gate in enumerate(self.gates):
            metric = getattr(gate, "metric", None)
            if metric is not None and metric not in proper:
                given = repr(metric.value) if "metric" in gate.model_fields_set else "nothing"
                raise misfit(f"gates.{at}.gate.metric", given, expected)
        return self

    @model_validator(mode="after")
    def _classes_fit_the_task(self) -> Self:
        if self.classes is None:
            return self
        if self.task is not Task.CLASSIFICATION:
            raise misfit("classes", ", ".join(self.classes), f"no classes in a {self.task.value}")
        if len(set(self.classes)) != len(self.classes):
            raise misfit("classes", ", ".join(self.classes), "distinct names")
        if len(self.classes) > TWO and not self.train.is_fitted:
            raise misfit("classes", f"{len(self.classes)} of them", f"at most two with trainer {self.train.trainer}")
        return self

    @model_validator(mode="after")
    def _gates_fit_the_model(self) -> Self:
        found = misfit_of_gates(
            self.gates, features=self.data.features, task=self.task, classes=len(self.classes or ()) or TWO
        )
        if found is not None:
            raise misfit(*found)
        return self

    @model_validator(mode="after")
    def _overrides_fit_the_model(self) -> Self:
        rules = self.overrides or ()
        output, classes = self.watched_output, len(self.classes or ()) or TWO
        at, found, expected = misfit_of(rules, features=self.data.features, output=output, classes=classes)
        if at:
            raise misfit(at, found, expected)
        for place, rule in enumerate(rules):
            if isinstance(rule.then, Fallback) and rule.then.fallback == self.name:
                raise misfit(f"overrides.{place}.then.fallback", repr(self.name), "another model")
        return self

    @model_validator(mode="after")
    def _can_be_hashed(self) -> Self:
        try:
            canonical.encode(self.as_document())
        except ValueError as error:
            raise misfit("", str(error), "finite numbers, whole ones below 2^53") from error
        return self

    @property
    def min_rows(self) -> int:
        """How many rows a model's partition needs."""
        return self.for_each.min_rows if self.for_each else 1

    @property
    def for_retraining(self) -> Self:
        """The spec as it prepares challengers' rows. What was joined to a decision stands in its record already."""
        source = self.retrain.source
        if source is None:
            return self
        changed: dict[str, Any] = {"source": source} | ({"join": ()} if isinstance(source, DecisionsSource) else {})
        return self.model_copy(update={"data": self.data.model_copy(update=changed)})

    @property
    def digest(self) -> str:
        """Digest of the canonical document: names this exact spec."""
        return digest_of(canonical.encode(self.as_document()))

    @property
    def policy_digest(self) -> str:
        """Digest of what decides about its versions and answers: gates, approval, rollout, retraining, overrides."""
        parts = self.model_dump(
            mode="json",
            include={
                "gates",
                "approval",
                "rollout",
                "guardrail",
                "waves",
                "retrain",
                "monitor",
                "risk_tier",
                "overrides",
            },
            exclude_none=True,
        )
        return digest_of(canonical.encode(parts))

    @property
    def watched_output(self) -> str:
        """The output that is recorded, watched like a feature and compared with the truth: the first."""
        return outputs_of(self.task, self.classes)[0].name

    @property
    def group_columns(self) -> tuple[str, ...]:
        """The partition columns of a fleet; none for a single model."""
        return self.for_each.by if self.for_each else ()
