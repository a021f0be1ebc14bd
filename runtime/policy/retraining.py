"""From a finding to a verdict. Drift is not degradation: a model is retrained when its errors grew."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from runtime.domain.estimates import expected_in_words
from runtime.domain.events import FindingKind, FindingOpened, IncidentOpened
from runtime.domain.findings import ENOUGH_ROWS, Direction
from runtime.domain.metrics import Metric, shown, spelled
from runtime.domain.model_state import ModelState
from runtime.domain.reports import FeatureStatistic
from runtime.domain.schema import Task
from runtime.domain.spec import Spec
from runtime.domain.verdict import Action, Verdict
from runtime.policy.budget import TIER_WEIGHTS

MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
BROKEN_MISSING_RATE = 0.5
BROKEN_PSI = 1.0
BROKEN_JS = 0.3
"""Of categories that were not seen before: that they are most of the column."""
ELSEWHERE_JS = 0.9
"""In bits, of which 1 is the most: hardly a row lies where it used to."""
ONE_WAY = 0.8
STANDARD_ERRORS = 2.0


def verdict(finding: FindingOpened, model: ModelState, spec: Spec, rows_a_day: float | None = None) -> Verdict:
    """What to do about a finding, why, and the numbers it rests on; ``rows_a_day`` is the model's traffic."""
    metric = metric_of(finding, spec)
    numbers = _numbers(finding, metric) | _priority(finding, spec, metric, rows_a_day)
    back = _back(finding, model, spec, numbers, metric)
    if back:
        return Verdict(action=Action.ROLL_BACK, reason=back, numbers=numbers)
    broken = _broken(finding, spec) or _failed(finding)
    if broken:
        return Verdict(action=Action.CALL_A_PERSON, reason=f"{broken}{_called_off(finding, model)}", numbers=numbers)
    busy = _learns_nothing(model, spec, finding) or _busy(model, spec, finding.as_of)
    if busy:
        return Verdict(action=Action.NOTHING, reason=busy, numbers=numbers)
    if "recent_rows" not in numbers:
        expected = expected_in_words(finding.estimated)
        reason = "no outcomes yet, so no sign that errors grew" + (f"; {expected}" if expected else "")
        return Verdict(action=Action.NOTHING, reason=reason, numbers=numbers)
    return _judge_errors(finding, spec, numbers, metric_of(finding, spec))


def laid_to(finding: FindingOpened, spec: Spec, incident: IncidentOpened) -> Verdict:
    """Of a finding that has a common cause with others: the incident's verdict is the one that counts."""
    return Verdict(
        action=Action.NOTHING,
        reason=f"one of many with one cause ({incident.feature} {incident.direction.value}): "
        f"a person is called to incident {incident.incident[:12]}",
        numbers=_numbers(finding, metric_of(finding, spec)),
    )


def metric_of(finding: FindingOpened, spec: Spec) -> Metric:
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
    if finding.about is not FindingKind.PERFORMANCE and (doubt := _may_be_chance(numbers, name, metric)):
        return Verdict(action=Action.NOTHING, reason=f"benign: {measured}, {doubt}", numbers=numbers)
    cause = "performance" if finding.about is FindingKind.PERFORMANCE else "drift"
    if cause not in spec.retrain.when:
        return Verdict(
            action=Action.NOTHING,
            reason=f"{measured}, but the policy does not retrain on {cause}",
            numbers=numbers,
        )
    if spec.retrain.recalibrate is not None and (offset := _mended_by_calibration(finding, spec, limit)):
        return Verdict(action=Action.RECALIBRATE, reason=f"{measured}, but {offset}", numbers=numbers)
    return Verdict(
        action=Action.RETRAIN,
        reason=f"{measured}, at or above {limit:.2f}",
        numbers=numbers,
    )


def _may_be_chance(numbers: dict[str, float], name: str, metric: Metric) -> str:
    """Why errors that seem to have grown may not have; empty where they surely did.

    Of a finding about errors the detector has shown that they changed. Where inputs drifted nobody has, and the mean
    of a few recent rows strays: by two standard errors or more in one window of forty. The spread of absolute errors
    is taken to be their mean, as of Laplace's distribution and above a normal one's; that of a rate is binomial.
    """
    usual, rows = numbers[f"baseline_{name}"], numbers["recent_rows"]
    rate = metric.more_is_better and 0 < usual < 1
    spread = math.sqrt(usual * (1 - usual)) if rate else usual
    limit = usual + STANDARD_ERRORS * spread / math.sqrt(rows)
    if numbers[f"recent_{name}"] >= limit:
        return ""
    return f"which {rows:.0f} rows may give by chance: {shown(metric, limit)} would be two standard errors above"


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


def _priority(finding: FindingOpened, spec: Spec, metric: Metric, rows_a_day: float | None) -> dict[str, float]:
    """What waiting costs, to be compared with other models: loss x traffic x weight of the tier."""
    ratio = _numbers(finding, metric).get(f"{_name(metric)}_ratio")
    if ratio is None:
        return {}
    traffic = {} if rows_a_day is None else {"rows_a_day": rows_a_day}
    weight = max(ratio - 1, 0.0) * TIER_WEIGHTS[spec.risk_tier] * (1.0 if rows_a_day is None else rows_a_day)
    return traffic | {"priority": weight}


def _broken(finding: FindingOpened, spec: Spec) -> str:
    """A column that is no longer what it was is broken upstream; retraining on it would teach the breakage.

    It mostly went missing, became one value, is full of names never seen, or all of its numbers lie elsewhere, as after
    a change of its unit. What the model itself put out is no column of the source.
    """
    if finding.about is not FindingKind.DATA_DRIFT:
        return ""
    for statistic in finding.features[:3]:
        own = statistic.psi <= BROKEN_PSI or statistic.feature == spec.watched_output
        told = "" if own else _breakage(statistic, finding.rows)
        if told:
            return f"{statistic.feature} {told} (PSI {statistic.psi:.2f}): broken upstream, not to be learnt from"
    return ""


def _breakage(statistic: FeatureStatistic, rows: int | None) -> str:
    if statistic.missing_rate > BROKEN_MISSING_RATE:
        return f"is missing in {statistic.missing_rate:.0%} of rows"
    if statistic.direction is Direction.CONSTANT:
        return "became constant"
    if statistic.direction is Direction.UNSEEN and statistic.js > BROKEN_JS:
        return "is full of names never seen before"
    if statistic.js > ELSEWHERE_JS and (rows is None or rows >= ENOUGH_ROWS):
        return f"lies elsewhere altogether ({statistic.js:.2f} of 1 bit apart), as after a change of its unit"
    return ""


def _called_off(finding: FindingOpened, model: ModelState) -> str:
    """A retraining that waits ends with the verdict that its data are broken."""
    waits = model.due is not None and finding.about is FindingKind.DATA_DRIFT
    return f"; the retraining that was due because of finding {str(model.due)[:12]} is called off" if waits else ""


def is_broken(model: ModelState, spec: Spec, at: datetime) -> bool:
    """Whether a person was called to broken data that nobody said are repaired, and that may still be broken.

    Data drift that lasts is told again after ``monitor.repeat_after``: what was not told again by then is over.
    """
    return model.broken_at is not None and at < model.broken_at + spec.monitor.repeat_after


def _learns_nothing(model: ModelState, spec: Spec, finding: FindingOpened) -> str:
    """Errors that grew while a column is broken are the column's."""
    if finding.about is not FindingKind.PERFORMANCE or not is_broken(model, spec, finding.as_of):
        return ""
    return (
        f"its data are broken upstream since {model.broken_at:%Y-%m-%d}: a person is called to finding "
        f"{str(model.broken)[:12]}, and nothing is learnt from them"
    )


def _back(finding: FindingOpened, model: ModelState, spec: Spec, numbers: dict[str, float], metric: Metric) -> str:
    """Why the former champion is to come back: this one was promoted lately, and does badly."""
    watch, since = spec.guardrail.watch, model.champion_since
    if watch is None or since is None or finding.version != model.champion or finding.as_of >= since + watch:
        return ""
    to = last_good(model)
    if to is None:
        return ""
    lately = f"version {model.champion} is the champion since {since:%Y-%m-%d} and still watched; back to version {to}"
    if finding.about is FindingKind.SERVICE:
        return f"{_failed(finding)}: {lately}"
    ratio, limit = numbers.get(f"{_name(metric)}_ratio"), 1 + spec.retrain.degraded_by
    if finding.about is not FindingKind.PERFORMANCE or ratio is None or ratio < limit:
        return ""
    return (
        f"{spelled(metric.error_name)} is {ratio:.2f} times what its own test found, at or above {limit:.2f}: {lately}"
    )


def last_good(model: ModelState) -> int | None:
    """The former champion that one may go back to: the newest that still holds a right to serve."""
    return next((number for number in reversed(model.former) if model.version(number).signed is not None), None)


def _mended_by_calibration(finding: FindingOpened, spec: Spec, limit: float) -> str:
    """Why a calibration would do: the order of answers is as good as it was, or nearly all errors lie one way."""
    recent, usual = finding.recent, finding.baseline
    if recent is None or usual is None:
        return ""
    if spec.task is Task.REGRESSION:
        one_way = abs(recent.bias) >= ONE_WAY * recent.mae and abs(usual.bias) < ONE_WAY / 2 * usual.mae
        told = f"nearly all of it is an offset of {recent.bias:.2f}"
        return f"{told}: to be recalibrated by a person" if one_way else ""
    mine, theirs = recent.error(Metric.ROC_AUC), usual.error(Metric.ROC_AUC)
    if mine is None or theirs is None or mine >= limit * theirs:
        return ""
    ranked = f"{spelled('1 - roc_auc')} {mine:.4f} is near the baseline's {theirs:.4f}"
    return f"{ranked}: answers are ordered as well as before, and to be recalibrated by a person"


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
