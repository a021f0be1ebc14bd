"""The whole loop on real flights: trained, served, watched, found wanting, retrained, rolled out, promoted."""

import orjson

from runtime.domain.events import (
    CommandRefused,
    FindingKind,
    FindingOpened,
    LoadRefused,
    RecordsLost,
    RetrainingFinished,
    RolloutAdvanced,
    RolloutStarted,
    SegmentSealed,
    TrainingFailed,
    VerdictReached,
    VersionApproved,
    VersionPromoted,
    VersionRegistered,
)
from runtime.domain.verdict import Action
from runtime.ledger.verify import verify_log
from runtime.storage.segments import check_segment
from tests.cluster.fleet import Story
from tests.cluster.routes import APRIL_END, MARCH, MODELS, NO_PLANES, TWO_FLIGHTS, load


def test_every_usable_route_becomes_a_served_model(story: Story) -> None:
    assert story.registered == len(MODELS)
    firsts = [event.model for event in story.events(VersionPromoted) if event.version == 1]
    assert sorted(firsts) == list(MODELS)


def test_a_route_that_cannot_be_a_model_is_reported_and_the_others_go_on(story: Story) -> None:
    reasons = {"-".join(each.partition.values()): each.reason for each in story.skipped}
    assert reasons.keys() == {NO_PLANES, TWO_FLIGHTS}
    assert "seats" in reasons[NO_PLANES]
    assert "2 rows" in reasons[TWO_FLIGHTS]


def test_a_good_question_is_answered(story: Story) -> None:
    answer = story.answers["good"]
    assert answer.status_code == 200, answer.text
    assert 60 < answer.json()["outputs"][0]["data"][0] < 300


def test_an_answer_is_explained_afterwards_by_its_id(story: Story) -> None:
    answer, explained = story.answers["good"], story.answers["explained"]
    assert explained.status_code == 200, explained.text
    document = explained.json()
    assert document["decision_id"] == answer.headers["fleetward-decision-id"]
    assert [row["output"] for row in document["rows"]] == answer.json()["outputs"][0]["data"]
    assert document["method"] in {"tree_shap", "linear_shap"}


def test_a_bad_question_is_told_what_is_wrong_with_it(story: Story) -> None:
    answers = story.answers
    assert answers["unknown model"].status_code == 404
    for case, named in (("missing feature", "temp"), ("renamed feature", "temperature"), ("wrong shape", "hour")):
        assert answers[case].status_code in {400, 422}, case
        assert named in answers[case].json()["error"], answers[case].text


def test_the_replay_fails_no_request(story: Story) -> None:
    assert not story.tally.failed, story.tally.failures
    assert not story.tally.retried
    assert not story.events(CommandRefused)


def test_degradation_leads_to_a_retrained_champion_and_every_step_is_in_the_ledger(story: Story) -> None:
    promoted = [event for event in story.events(VersionPromoted) if event.version > 1]
    assert promoted
    finished = story.events(RetrainingFinished)
    assert finished
    assert all(event.succeeded for event in finished), finished
    assert not story.events(TrainingFailed)
    for winner in promoted:
        version = (winner.model, winner.version)
        steps = [
            (entry.seq, type(entry.event))
            for entry in story.entries
            if getattr(entry.event, "model", None) == winner.model
            and (
                getattr(entry.event, "version", winner.version) == winner.version
                or isinstance(entry.event, FindingOpened)
            )
        ]
        order = [kind for _, kind in steps]
        at = [
            order.index(kind)
            for kind in (
                *(FindingOpened, VerdictReached, VersionRegistered, VersionApproved),
                *(RolloutStarted, RolloutAdvanced, VersionPromoted),
            )
        ]
        assert at == sorted(at), version
        verdicts = [each for each in story.events(VerdictReached) if each.model == winner.model]
        assert any(each.verdict.action is Action.RETRAIN for each in verdicts)


def test_every_decision_of_the_replay_stands_in_exactly_one_sealed_segment(story: Story) -> None:
    flights = load()
    route = "time-" + flights["carrier"] + "-" + flights["origin"] + "-" + flights["dest"]
    sent = flights[route.isin(MODELS) & (flights["scheduled"] >= MARCH) & (flights["scheduled"] < APRIL_END)]
    assert story.tally.decisions == story.tally.outcomes == len(sent)
    served = story.served_rows()
    assert len(served) == len(sent) + 1  # and the one good question before the replay
    assert set(served.values()) == {1}
    assert not story.events(RecordsLost)


def test_every_segment_is_what_its_entry_says(story: Story) -> None:
    for event in story.events(SegmentSealed):
        check_segment(story.fleet.store, event)


def test_the_evidence_of_every_alarm_is_in_the_store_under_the_digest_its_finding_names(story: Story) -> None:
    told_by_detectors = (FindingKind.DATA_DRIFT, FindingKind.PERFORMANCE)
    findings = [each for each in story.events(FindingOpened) if each.about in told_by_detectors]
    assert findings
    for finding in findings:
        assert finding.evidence is not None
        document = orjson.loads(story.fleet.store.get(finding.evidence))
        assert document["finding"] == finding.finding
        assert [each["feature"] for each in document["features"]] == [each.feature for each in finding.features]
        assert all(sum(each["window"]) == document["rows"] for each in document["features"])


def test_the_ledger_verifies(story: Story) -> None:
    last = story.entries[-1]
    verified = verify_log(story.fleet.settings.database)
    assert verified.size > last.seq
    assert [entry.seq for entry in story.entries] == list(range(last.seq + 1))


def test_a_changed_artifact_is_refused_by_its_digest_and_the_champion_goes_on(story: Story) -> None:
    tampered = story.tampered
    assert tampered is not None
    events = [entry.event for entry in tampered.entries]
    refused = [event for event in events if isinstance(event, LoadRefused)]
    assert {(event.model, event.version) for event in refused} == {(tampered.model, tampered.version)}
    assert len({event.replica for event in refused}) == story.fleet.settings.replicas
    assert all("DigestMismatch" in event.reason for event in refused)
    assert any(isinstance(event, RolloutStarted) and event.version == tampered.version for event in events)
    assert tampered.answer.status_code == 200
    assert orjson.loads(tampered.answer.content)["model_version"] == str(tampered.champion)
