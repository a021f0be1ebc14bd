"""Many requests become few samples, and a fleet of thousands of models a bounded number of series."""

from collections.abc import Sequence

import pytest

from runtime.domain.errors import Refused
from runtime.telemetry import families as f
from runtime.telemetry.durations import BOUNDS, Durations
from runtime.telemetry.families import FAMILIES, Family
from runtime.telemetry.ledger import Commits
from runtime.telemetry.requests import Requests
from runtime.telemetry.samples import OTHERS, UNKNOWN, Names, Sample


def values(samples: list[Sample], family: Family) -> dict[tuple[str, ...], float]:
    """By labels; no labels may come twice."""
    mine = [each for each in samples if each.family is family]
    found = {each.labels: each.value for each in mine}
    assert len(found) == len(mine)
    return found


def test_every_metric_has_a_name_of_its_own_a_unit_and_a_help() -> None:
    assert len({each.name for each in FAMILIES}) == len(FAMILIES) > 20
    assert all(each.name.startswith("fleetward_") and each.unit and each.help.endswith(".") for each in FAMILIES)
    assert f.REQUESTS.exported == "ray_fleetward_requests_total"
    assert f.LEDGER_SIZE.exported == "ray_fleetward_ledger_entries"


def test_answers_are_counted_by_model_version_and_variant() -> None:
    requests = Requests()
    requests.answered(("a", 1, "champion"), 0.0015, 3)
    requests.answered(("a", 1, "champion"), 0.3, 1, overridden=True)
    requests.answered(("a", 2, "canary"), 7.0, 1)
    samples = requests.take("default", Names(["a"]))
    one, two = ("default", "a", "1", "champion"), ("default", "a", "2", "canary")
    assert values(samples, f.REQUESTS) == {one: 2, two: 1}
    assert values(samples, f.ROWS) == {one: 4, two: 1}
    assert values(samples, f.SECONDS)[one] == pytest.approx(0.3015)
    assert values(samples, f.OVERRIDDEN) == {one: 1, two: 0}
    within = values(samples, f.WITHIN)
    assert [within[*one, le] for le in ("0.001", "0.002", "0.25", "1", "+Inf")] == [0, 1, 1, 2, 2]
    assert [within[*two, le] for le in ("1", "+Inf")] == [0, 1]


def test_what_was_taken_is_not_taken_again() -> None:
    requests, commits = Requests(), Commits()
    requests.answered(("a", 1, "champion"), 0.001, 1)
    requests.failed("a", 503)
    assert requests.take("p", Names(["a"]))
    assert requests.take("p", Names(["a"])) == []

    def commit(commands: Sequence[int]) -> list[list[int]]:
        return [[each] for each in commands]

    commits.timed(commit)([0, 0])
    assert values(commits.take(), f.COMMITS) == {(): 1}
    assert values(commits.take(), f.COMMITS) == {(): 0}


def test_of_more_models_than_have_names_the_rest_is_added_up_and_no_count_is_lost() -> None:
    models = [f"m{number:03}" for number in range(10)]
    requests, names = Requests(), Names(models, limit=3)
    for number, model in enumerate(models):
        requests.answered((model, number + 1, "champion"), 0.001, 1)
        requests.failed(model, 500)
    samples = requests.take("p", names)
    assert values(samples, f.REQUESTS) == {
        ("p", "m000", "1", "champion"): 1,
        ("p", "m001", "2", "champion"): 1,
        ("p", "m002", "3", "champion"): 1,
        ("p", OTHERS, "", "champion"): 7,
    }
    assert values(samples, f.ERRORS)["p", OTHERS, "500"] == 7


def test_the_same_models_keep_their_names_whatever_the_order_they_come_in() -> None:
    models = [f"m{number}" for number in range(50)]
    one, two = Names(models, limit=7), Names(models[::-1], limit=7)
    assert [one.keeps(model) for model in models] == [two.keeps(model) for model in models]
    assert sum(map(one.keeps, models)) == 7


def test_names_that_callers_make_up_are_no_series() -> None:
    requests = Requests()
    for number in range(5000):
        requests.failed(f"made-up-{number}", 404)
    requests.failed("another", 404)
    errors = values(requests.take("p", Names(["a"])), f.ERRORS)
    assert errors == {("p", UNKNOWN, "404"): 5001}


def test_buckets_take_their_upper_end_and_the_last_has_none() -> None:
    durations = Durations()
    for bound in BOUNDS:
        durations.add(bound)
    durations.add(BOUNDS[-1] * 2)
    assert [count for _, count in durations.within()] == list(range(1, len(BOUNDS) + 2))
    assert durations.count == len(BOUNDS) + 1


def test_refused_drafts_are_told_from_recorded_ones() -> None:
    commits = Commits()
    answers: list[list[object]] = [[Refused("x", "no"), 1], [2]]

    def commit(_: Sequence[int]) -> list[list[object]]:
        return answers

    assert commits.timed(commit)([0, 0]) is answers
    assert values(commits.take(), f.RECORDED) == {("refused",): 1, ("recorded",): 2}
