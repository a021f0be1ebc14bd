"""From a finding to a verdict. Drift is not degradation: a model is retrained when its errors grew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from runtime.domain.estimates import expected_in_words
from runtime.domain.events import FindingKind, FindingOpened, IncidentOpened
from runtime.domain.metrics import Metric, shown, spelled
from runtime.domain.schema import Task
from runtime.domain.spec import Spec
from runtime.domain.state import FleetState, ModelState
from runtime.domain.verdict import Action, Verdict

MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
BROKEN_MISSING_RATE = 0.5
BROKEN_PSI = 1.0


def verdict(finding: FindingOpened, model: ModelState, spec: Spec) -> Verdict:
    """What to do about a finding, why, and the numbers it rests on."""
    numbers = _numbers(finding, _metric(finding, spec))
    broken = _broken(finding) or _failed(finding)
    if broken:
        return Verdict(action=Action.CALL_A_PERSON, reason=broken, numbers=numbers)
    busy = _busy(model, spec, finding.as_of)
    if busy:
        return Verdict(action=Action.NOTHING, reason=busy, numbers=numbers)
    if "recent_rows" not in numbers:
        expected = expected_in_words(finding.estimated)
        reason = "no outcomes yet, so no sign that errors grew" + (f"; {expected}" if expected else "")
        return Verdict(action=Action.NOTHING, reason=reason, numbers=numbers)
    return _judge_errors(finding, spec, numbers, _metric(finding, spec))


def laid_to(finding: FindingOpened, spec: Spec, incident: IncidentOpened) -> Verdict:
    """Of a finding that has a common cause with others: the incident's verdict is the one that counts."""
    return Verdict(
        action=Action.NOTHING,
        reason=f"one of many with one cause ({incident.feature} {incident.direction.value}): "
        f"a person is called to incident {incident.incident[:12]}",
        numbers=_numbers(finding, _metric(finding, spec)),
    )


def _metric(finding: FindingOpened, spec: Spec) -> Metric:
    """What errors are judged by: of a classification the spec's own metric if the counts tell it, else accuracy."""
    if spec.task is Task.REGRESSION:
        return Metric.MAE
    own = spec.train.metric
    told = all(each is not None and each.error(own) is not None for each in (finding.recent, finding.baseline))
    return own if told else Metric.ACCURACY


def _judge_errors(finding: FindingOpened, spec: Spec, numbers: dict[str, float], metric: Metric) -> Verdict:
    name = _name(metric)
    ratio, limit = numbers[f"{name}_ratio"], 1 + spec.retrain.degraded_by
    recent = shown(metric, numbers[f"recent_{name}"])
    measured = f"recent {spelled(metric.error_name)} {recent} is {ratio:.2f} times the baseline's"
    if ratio < limit:
        return Verdict(
            action=Action.NOTHING,
            reason=f"benign: {measured}, below {limit:.2f}",
            numbers=numbers,
        )
    cause = "performance" if finding.about is FindingKind.PERFORMANCE else "drift"
    if cause not in spec.retrain.when:
        return Verdict(
            action=Action.NOTHING,
            reason=f"{measured}, but the policy does not retrain on {cause}",
            numbers=numbers,
        )
    return Verdict(
        action=Action.RETRAIN,
        reason=f"{measured}, at or above {limit:.2f}",
        numbers=numbers,
    )


def _numbers(finding: FindingOpened, metric: Metric) -> dict[str, float]:
    numbers = {"log_evidence": finding.log_evidence, "log_threshold": finding.log_threshold}
    if finding.recent is not None and finding.baseline is not None:
        recent, baseline = finding.recent.error(metric), finding.baseline.error(metric)
        if recent is not None and baseline is not None:
            name = _name(metric)
            numbers |= {f"recent_{name}": recent, f"baseline_{name}": baseline}
            # Of rows without any error all that is known is that fewer than one in so many goes wrong.
            least = 1e-12 if metric is Metric.MAE else 0.5 / max(finding.baseline.rows, 1)
            numbers |= {f"{name}_ratio": recent / max(baseline, least), "recent_rows": float(finding.recent.rows)}
    return numbers


def _name(metric: Metric) -> str:
    """What the numbers of a verdict call its error."""
    return f"{metric.value}_error" if metric.more_is_better else metric.value


def _broken(finding: FindingOpened) -> str:
    """A column that mostly went missing is broken upstream; retraining on it would teach the breakage."""
    if finding.about is not FindingKind.DATA_DRIFT:
        return ""
    for statistic in finding.features[:3]:
        if statistic.missing_rate > BROKEN_MISSING_RATE and statistic.psi > BROKEN_PSI:
            return (
                f"{statistic.feature} is missing in {statistic.missing_rate:.0%} of rows (PSI {statistic.psi:.2f}): "
                "broken upstream, not to be learnt from"
            )
    return ""


def _failed(finding: FindingOpened) -> str:
    """Failed checks are for a person: data that broke, a caller nobody knows and slow answers are not to be learnt."""
    failed = finding.breaches or ()
    more = f", and {len(failed) - 3} more" if len(failed) > 3 else ""
    return "; ".join(" ".join(filter(None, (each.of, each.told))) for each in failed[:3]) + more


def _busy(model: ModelState, spec: Spec, as_of: datetime) -> str:
    if model.batch is not None or model.due is not None:
        return "a retraining is under way already"
    if model.rollout is not None:
        return f"version {model.rollout.version} is being rolled out already"
    if as_of < model.snoozed_until:
        return f"snoozed until {model.snoozed_until:%Y-%m-%d}: the last challenger did not win"
    if model.former and model.champion_since is not None and as_of < model.champion_since + spec.retrain.cool_down:
        return f"cooling down: version {model.champion} is the champion since {model.champion_since:%Y-%m-%d}"
    return ""


def window_opens(since: datetime, window: timedelta) -> datetime:
    """The first window boundary at or after ``since``; boundaries are counted from a Monday, 00:00 UTC."""
    past = (since - MONDAY) % window
    return since if not past else since + (window - past)


def due_models(state: FleetState) -> dict[str, list[ModelState]]:
    """By spec, the models whose retraining window is open as of the closed ticks."""
    due: dict[str, list[ModelState]] = {}
    for model in state.models.values():
        if model.due is None or model.due_since is None or model.batch is not None:
            continue
        opens = window_opens(model.due_since, state.spec_of(model).retrain.window)
        if opens <= state.ticks_until and not model.retired and not model.suspended:
            due.setdefault(model.spec, []).append(model)
    return due
