"""One cause, one finding: when many models of one source alarm on one feature at once, it broke upstream of them all.

The argument. A model alarms by itself at most once in A checks, A being its ``false_alarm_every``. So of n models that
read the feature, within c checks, each alarms with a chance of at most q = c / A, and if they did so independently the
chance that k of them do is at most exp(-n KL(k/n | q)) (Chernoff). It is bounded again over the features and directions
that might have been it. Below ``CHANCE``, and with at least ``LEAST_MODELS`` and ``LEAST_SHARE`` of those that read it,
there is a common cause: an incident, with one verdict, that a person is called.

What belongs to an incident is not retrained because of drift. Of a column that went missing, became constant or is full
of names never seen, errors do not retrain either, since that would teach the breakage; where it merely moved, the world
may have, and errors that grew retrain as ever.
"""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta

from runtime.domain import events as e
from runtime.domain.findings import BROKEN, Alarm, Direction, cause_of
from runtime.domain.fold.findings import CHECKS_TOGETHER, causes_of, source_in_words, source_of
from runtime.domain.ids import derived_id
from runtime.domain.model_state import IncidentState
from runtime.domain.spec import Spec
from runtime.domain.state import FleetState
from runtime.domain.verdict import Action, Verdict

CHANCE = 1e-6
LEAST_MODELS = 5
LEAST_SHARE = 0.2
LASTS = timedelta(days=28)
"""An incident of which nothing was found for so long takes no more findings, whether or not anybody ended it."""


def known_cause(state: FleetState, finding: e.FindingOpened) -> IncidentState | None:
    """The incident that was opened for this finding's cause and goes on."""
    if finding.about is not e.FindingKind.DATA_DRIFT:
        return None
    names = (state.causes.get(cause) for cause in causes_of(state, finding))
    found = (state.incidents[name] for name in names if name is not None)
    return next((each for each in found if _goes_on(each, finding)), None)


def breakage(state: FleetState, finding: e.FindingOpened) -> IncidentState | None:
    """The incident of a broken column that this model is part of, which its errors are laid to."""
    found = (state.incidents[name] for name in state.causes.values())
    ours = (each for each in found if finding.model in each.models and each.opened.direction in BROKEN)
    return next((each for each in ours if _goes_on(each, finding)), None)


def common_cause(state: FleetState, finding: e.FindingOpened) -> e.IncidentOpened | None:
    """The incident that this finding makes of those beside it; ``None`` while they may well be by chance."""
    if finding.about is not e.FindingKind.DATA_DRIFT:
        return None
    told = {each.feature: each.direction for each in finding.features if each.direction is not None}
    source = source_of(state, finding.model)
    for feature, direction in told.items():
        alarms = state.alarms.get(cause_of(source, feature, direction), ())
        if any(each.finding == finding.finding for each in alarms) and _is_worth_a_look(len(alarms)):
            opened = _incident(state, finding, feature, direction, alarms)
            if opened is not None:
                return opened
    return None


def _is_worth_a_look(alarmed: int) -> bool:
    """Looking takes a pass over all models, so that of a large fleet it is not done at each alarm."""
    return alarmed >= LEAST_MODELS and (alarmed < 32 or not alarmed % 16)


def log_chance(watched: int, alarmed: int, rate: float) -> float:
    """Bounds ln P(at least so many of the watched models alarm by themselves), each with chance ``rate``.

    Hoeffding, Journal of the American Statistical Association 1963, theorem 1 (Chernoff's bound for a binomial).

    >>> round(log_chance(10, 5, 0.01), 1)
    -16.1
    """
    share = min(alarmed / watched, 1.0)
    if share <= rate:
        return 0.0
    apart = share * math.log(share / rate)
    if share < 1:
        apart += (1 - share) * math.log((1 - share) / (1 - rate))
    return -watched * apart


def _incident(
    state: FleetState, finding: e.FindingOpened, feature: str, direction: Direction, alarms: tuple[Alarm, ...]
) -> e.IncidentOpened | None:
    source, found = source_of(state, finding.model), len(alarms)
    watched = max(_readers(state, source, feature), found)
    rate = min(CHECKS_TOGETHER * math.exp(-min(each.log_threshold for each in alarms)), 1.0)
    columns = len(state.spec_of(state.model(finding.model)).data.features)
    chance = log_chance(watched, found, rate) + math.log(columns * len(Direction))
    if found < LEAST_SHARE * watched or chance > math.log(CHANCE):
        return None
    return e.IncidentOpened(
        incident=derived_id("incident", source, feature, direction.value, finding.finding),
        source=source,
        feature=feature,
        direction=direction,
        as_of=finding.as_of,
        models=tuple(sorted(each.model for each in alarms)),
        findings=tuple(sorted(each.finding for each in alarms)),
        watched=watched,
        checks=CHECKS_TOGETHER,
        log_chance=chance,
        verdict=_verdict(feature, direction, found, watched, chance),
    )


def _verdict(feature: str, direction: Direction, found: int, watched: int, chance: float) -> Verdict:
    at_once = f"{found} of {watched} models that read {feature} alarmed on it at once ({_in_words(direction)})"
    return Verdict(
        action=Action.CALL_A_PERSON,
        reason=f"{at_once}: one cause upstream of them, not {found} models to be retrained",
        numbers={"models": float(found), "watched": float(watched), "log_chance": chance},
    )


def _in_words(direction: Direction) -> str:
    return {
        Direction.MISSING: "it went missing",
        Direction.UNSEEN: "names never seen before",
        Direction.CONSTANT: "it became constant",
        Direction.PRESENT: "it is there where it was missing",
        Direction.UP: "it went up",
        Direction.DOWN: "it went down",
        Direction.SHAPE: "its shape changed",
    }[direction]


def _readers(state: FleetState, source: str, feature: str) -> int:
    """How many models are watched and read the feature from the source."""
    models = Counter(model.spec for model in state.models.values() if model.champion is not None and not model.retired)
    return sum(
        number
        for name, number in models.items()
        if feature in _watched(state.specs[name]) and source_in_words(state.specs[name]) == source
    )


def _watched(spec: Spec) -> tuple[str, ...]:
    return spec.data.features if spec.monitor.features == "all" else spec.monitor.features


def _goes_on(incident: IncidentState, finding: e.FindingOpened) -> bool:
    return abs(finding.as_of - incident.newest) <= LASTS
