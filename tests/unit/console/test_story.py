"""The story's numbers are those computed by hand in ``fleets.py``, and missing evidence is named, not left out."""

import math
from datetime import date

import pytest

from runtime.console.attempts import Ending
from runtime.console.judging import EvidenceMissing
from runtime.console.scores import Errors
from runtime.console.story import ModelStory, Story, read_story
from runtime.domain import events as e
from runtime.domain.decision import Variant
from runtime.domain.errors import DigestMismatch, Refused
from runtime.domain.schema import Field, FieldKind, Schema
from tests.unit.console.fleets import SCHEMA, SCRIPT, Fleet, artifact, day


def told(fleet: Fleet) -> Story:
    return read_story(fleet.database_url, fleet.store_url)


def model_of(story: Story, name: str) -> ModelStory:
    return next(model for model in story.models if model.name == name)


# --- errors ----------------------------------------------------------------------------------------


def test_errors_are_those_of_the_answers_and_of_the_first_version_on_the_same_inputs(fleet: Fleet) -> None:
    errors = told(fleet).errors
    assert errors is not None
    assert (errors.rows, errors.served) == (6, 1.0)
    assert errors.never_retrained == pytest.approx(17 / 6)
    assert errors.saved == pytest.approx(1 - 6 / 17)


def test_errors_stand_in_the_month_of_the_datas_own_time(fleet: Fleet) -> None:
    months = {month.first: month.errors for month in told(fleet).months}
    assert months == {
        date(2013, 3, 1): Errors(3, 5 / 3, 5 / 3),
        date(2013, 4, 1): Errors(2, 0.5, 4.5),
        date(2013, 5, 1): Errors(1, 0.0, 3.0),
    }


def test_each_model_has_its_own_errors_by_week(fleet: Fleet) -> None:
    story = told(fleet)
    assert model_of(story, "air-a").errors == Errors(4, 0.75, 3.5)
    assert model_of(story, "air-b").errors == Errors(2, 1.5, 1.5)
    assert model_of(story, "air-a").weeks == {
        date(2013, 3, 4): Errors(2, 1.0, 1.0),
        date(2013, 4, 8): Errors(1, 1.0, 9.0),
        date(2013, 5, 6): Errors(1, 0.0, 3.0),
    }


def test_shadow_rows_repeated_requests_and_rows_without_outcome_are_not_judged(fleet: Fleet) -> None:
    judged = told(fleet).judged
    assert (judged.answered, judged.told, judged.served.size, judged.uncompared) == (7, 6, 6, 0)


def test_the_first_outcome_of_a_row_counts(fleet: Fleet) -> None:
    fleet.tell("may a", "air-a", [1000.0])
    assert told(fleet).errors == Errors(6, 1.0, 17 / 6)


def test_an_outcome_of_another_models_decision_is_not_joined(fleet: Fleet) -> None:
    fleet.tell("may, no outcome", "air-b", [14.0])
    assert told(fleet).judged.told == 6


def test_answers_of_first_versions_are_computed_again_and_counted(fleet: Fleet) -> None:
    judged = told(fleet).judged
    assert (judged.recomputed, judged.reproduced) == (4, 4)


def test_a_recorded_answer_that_its_version_does_not_give_is_counted(fleet: Fleet) -> None:
    fleet.answer("forged", "air-b", 1, day(5, 9), [1.0], [2.5])
    fleet.tell("forged", "air-b", [2.0])
    judged = told(fleet).judged
    assert (judged.recomputed, judged.reproduced) == (5, 4)


def test_a_row_without_finite_errors_is_counted_and_not_compared(fleet: Fleet) -> None:
    fleet.answer("odd", "air-b", 1, day(5, 9), [1.0, 1.0], [math.nan, 2.0])
    fleet.tell("odd", "air-b", [2.0, math.inf])
    story = told(fleet)
    assert story.judged.uncompared == 2
    assert story.errors == Errors(6, 1.0, 17 / 6)


def test_rows_that_the_first_version_cannot_answer_are_not_compared(fleet: Fleet) -> None:
    renamed = Schema(
        inputs=(Field(name="y", kind=FieldKind.NUMBER), Field(name="sky", kind=FieldKind.TEXT)),
        outputs=SCHEMA.outputs,
    )
    fleet.version("air-a", 3, artifact(3.0), batch="by hand", schema=renamed)
    fleet.answer("renamed", "air-a", 3, day(5, 9), [2.0], [6.0], variant=Variant.CANARY)
    fleet.tell("renamed", "air-a", [6.0])
    story = told(fleet)
    assert (story.judged.told, story.judged.uncompared) == (7, 1)
    assert story.errors == Errors(6, 1.0, 17 / 6)


# --- retrainings and alarms ------------------------------------------------------------------------


def test_every_retraining_says_why_it_was_and_how_it_ended(fleet: Fleet) -> None:
    a, b = told(fleet).attempts
    assert (a.model, a.version, a.ending, a.reason) == ("air-a", 2, Ending.PROMOTED, "good enough")
    assert a.cause == "recent MAE 2.00 is 2.00 times the baseline's, at or above 1.10"
    assert a.comparison is not None
    assert (a.comparison.champion, a.comparison.challenger) == (4.0, 1.5)
    assert (b.model, b.version, b.ending, b.reason) == ("air-b", 2, Ending.REFUSED, f"no better {SCRIPT}")
    assert b.cause == f"asked for {SCRIPT}"


def test_alarms_and_retrainings_stand_in_the_month_and_week_whose_data_caused_them(fleet: Fleet) -> None:
    story = told(fleet)
    march = story.months[0]
    assert march.tally.alarms == {e.FindingKind.DATA_DRIFT: 1, e.FindingKind.PERFORMANCE: 1}
    assert (march.tally.retrained, march.tally.accepted, march.tally.refused) == (2, 1, 1)
    assert all(month.tally.retrained == 0 for month in story.months[1:])
    assert list(story.alarm_weeks) == [date(2013, 3, 11), date(2013, 3, 25)]


def test_a_training_that_failed_is_refused_with_its_reason(fleet: Fleet) -> None:
    fleet.retrain("batch-2", day(5), "air-a", "air-b")
    fleet.record("job:retrain", e.TrainingFailed(model="air-a", batch="batch-2", reason="no rows"))
    fleet.finish("batch-2", succeeded=False, reason="the machine is gone")
    failed = told(fleet).attempts[2:]
    assert [(each.ending, each.reason) for each in failed] == [
        (Ending.FAILED, "no rows"),
        (Ending.FAILED, "the machine is gone"),
    ]
    assert all(each.ending.refused and each.version is None for each in failed)


def test_a_running_retraining_and_a_running_rollout_are_not_decided(fleet: Fleet) -> None:
    fleet.retrain("batch-2", day(5), "air-a", "air-b")
    fleet.version("air-a", 3, artifact(3.0), batch="batch-2")
    fleet.roll_out("air-a", 3, e.Stage.SHADOW)
    story = told(fleet)
    assert [each.ending for each in story.attempts[2:]] == [Ending.UNDECIDED, Ending.UNDECIDED]
    assert (story.tally.retrained, story.tally.accepted, story.tally.refused) == (4, 1, 1)


def test_a_rollout_that_was_aborted_did_not_become_champion(fleet: Fleet) -> None:
    fleet.retrain("batch-2", day(5), "air-a")
    fleet.version("air-a", 3, artifact(3.0), batch="batch-2")
    fleet.roll_out("air-a", 3, e.Stage.SHADOW)
    fleet.record("service:operator", e.RolloutAborted(model="air-a", version=3, reason="worse beside"))
    last = told(fleet).attempts[-1]
    assert (last.ending, last.reason) == (Ending.ABORTED, "worse beside")


def test_a_champion_that_was_rolled_back_had_been_accepted(fleet: Fleet) -> None:
    fleet.record("service:operator", e.RolledBack(model="air-a", version=2, to=1, reason="a person asked"))
    story = told(fleet)
    assert (story.attempts[0].ending, story.attempts[0].reason) == (Ending.ROLLED_BACK, "a person asked")
    assert story.tally.accepted == 1
    assert model_of(story, "air-a").champion == 1


# --- what there is to tell -------------------------------------------------------------------------


def test_the_head_is_the_ledgers_and_verified(fleet: Fleet) -> None:
    head = told(fleet).head
    assert (head.size, head.root, head.problem) == (fleet.log.size, fleet.log.root, None)


def test_counts_are_the_ledgers(fleet: Fleet) -> None:
    story = told(fleet)
    assert (story.decisions, story.outcomes, story.serving, len(story.models)) == (9, 6, 2, 2)
    assert story.skipped == ((SCRIPT, "3 rows, fewer than 10"),)


def test_labels_leave_out_what_all_names_begin_with(fleet: Fleet) -> None:
    assert [model.label for model in told(fleet).models] == ["a", "b"]


def test_a_model_that_never_served_says_why(young: Fleet) -> None:
    young.declare("c", "d")
    young.version("air-c", 1, artifact(1.0), refused_because="too bad")
    story = told(young)
    assert model_of(story, "air-c").note == "version 1 refused: too bad"
    assert model_of(story, "air-d").note == "no version was trained"


def test_a_fleet_without_outcomes_has_no_errors(young: Fleet) -> None:
    young.answer("march a", "air-a", 1, day(3, 5), [10.0], [10.0])
    story = told(young)
    assert story.errors is None
    assert (story.judged.answered, story.judged.told, story.months) == (1, 0, ())


def test_a_fleet_that_serves_nothing_has_a_story(empty: Fleet) -> None:
    empty.declare("a")
    story = told(empty)
    assert (story.errors, story.serving, story.attempts) == (None, 0, ())


def test_a_ledger_without_a_spec_is_refused(empty: Fleet) -> None:
    with pytest.raises(Refused, match="no spec was applied"):
        told(empty)


def test_of_several_specs_one_has_to_be_named(fleet: Fleet) -> None:
    fleet.declare("z", name="sea-{route}")
    with pytest.raises(Refused, match=r"name one spec of \['air-\{route\}', 'sea-\{route\}'\]"):
        told(fleet)
    story = read_story(fleet.database_url, fleet.store_url, spec="sea-{route}")
    assert [model.name for model in story.models] == ["sea-z"]
    assert (story.judged.answered, story.tally.retrained) == (0, 0)


# --- evidence --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["march a", "outcome of april a"])
def test_a_missing_segment_is_named(fleet: Fleet, name: str) -> None:
    lost = fleet.sealed[name]
    fleet.object_of(lost.digest).unlink()
    with pytest.raises(EvidenceMissing) as caught:
        told(fleet)
    text = str(caught.value)
    assert lost.digest in text
    assert f"{lost.content.value} {lost.first_number} to {lost.last_number}" in text
    assert "replica replica-1 epoch epoch-1" in text


def test_a_changed_segment_is_named(fleet: Fleet) -> None:
    changed = fleet.sealed["march a"]
    path = fleet.object_of(changed.digest)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(DigestMismatch, match=changed.digest):
        told(fleet)


def test_a_missing_first_version_is_named(fleet: Fleet) -> None:
    first = fleet.writer.state.models["air-a"].versions[1].registered
    fleet.object_of(first.artifact).unlink()
    with pytest.raises(EvidenceMissing, match=r"the artifact of air-a version 1 is missing: no object sha256:"):
        told(fleet)


def test_a_missing_later_version_is_not_needed(fleet: Fleet) -> None:
    second = fleet.writer.state.models["air-a"].versions[2].registered
    fleet.object_of(second.artifact).unlink()
    assert told(fleet).errors == Errors(6, 1.0, 17 / 6)
