"""What reading commands answer, as a table and as one JSON document, from a ledger and without a cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from runtime.ledger.log import Log
from runtime.settings import Settings
from tests.unit.cli.conftest import Installation, StandInGovernor
from tests.unit.cli.fleet import BATCH

Run = Callable[..., Result]
Answer = Callable[..., Any]


@pytest.fixture(autouse=True)
def written(installation: Installation) -> Installation:
    return installation


READING = (
    ["status"],
    ["models"],
    ["model", "minutes-a"],
    ["findings"],
    ["history"],
    ["ledger", "verify"],
    ["ledger", "show", "0"],
    ["version"],
)


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_every_reading_command_answers_with_a_table_and_with_one_document(
    command: list[str], run: Run, answer: Answer
) -> None:
    assert answer(*command)
    table = run(*command)
    assert (table.exit_code, table.stderr) == (0, "")
    assert table.stdout.strip()


def test_status_tells_the_ledgers_head_and_the_fleet_in_numbers(
    answer: Answer, run: Run, written: Installation
) -> None:
    document = answer("status")
    with Log.open_read_only(written.url) as log:
        assert document["ledger"] == {"entries": log.size, "root": log.root}
    fleet = document["fleet"]
    assert (fleet["models"], fleet["serving"], fleet["versions"], fleet["awaiting_approval"]) == (2, 1, 4, 1)
    assert document["cluster"] is None
    assert "not up" in run("status").stdout


def test_models_are_listed_by_name_with_what_serves_and_what_goes_on(run: Run, answer: Answer) -> None:
    first, second = answer("models")
    assert (first["model"], first["standing"], first["champion"]) == ("minutes-a", "serving", 2)
    assert (second["model"], second["standing"], second["champion"]) == ("minutes-b", "no champion", None)
    assert first["awaiting_approval"] == [3]
    lines = run("models").stdout.splitlines()
    assert any(
        "minutes-a" in line and "version 2 of 3" in line and "version 3 awaits approval" in line for line in lines
    )


def test_a_model_is_shown_with_its_versions_and_its_findings(run: Run, answer: Answer) -> None:
    document = answer("model", "minutes-a")
    statuses = {number: version["status"] for number, version in document["versions"].items()}
    assert statuses == {"1": "superseded", "2": "champion", "3": "awaiting_approval"}
    assert document["former"] == [1]
    shown = run("model", "minutes-a").stdout
    assert "version 2 since 2013-03-01" in shown
    assert "awaiting approval" in shown
    assert "1 of 1" in shown
    assert "data drift" in shown


def test_a_finding_carries_its_evidence_and_the_policys_answer(run: Run, answer: Answer) -> None:
    (finding,) = answer("findings")
    assert (finding["model"], finding["about"], finding["verdict"]["action"]) == ("minutes-a", "data_drift", "nothing")
    shown = run("findings").stdout
    assert "evidence 12.3 over 9.2, hour" in shown
    assert "nothing: benign" in shown


def test_findings_of_one_model_are_its_own(answer: Answer) -> None:
    assert len(answer("findings", "minutes-a")) == 1
    assert answer("findings", "minutes-b") == []


def test_history_tells_every_entry_in_order_newest_last(run: Run, answer: Answer, written: Installation) -> None:
    told = answer("history", "--limit", "0")
    assert [entry["seq"] for entry in told] == list(range(written.writer.state.size))
    assert told[0]["sentence"].startswith("fleet: governor started for the 1st time")
    shown = run("history").stdout.splitlines()
    assert "retraining batch-1 succeeded: job succeeded" in shown[-1]


def test_history_is_limited_to_the_newest_and_says_so_beside_the_answer(run: Run) -> None:
    result = run("history", "--limit", "2")
    assert len(result.stdout.splitlines()) == 2 + len(("header", "rule"))
    assert "the newest 2" in result.stderr


def test_history_of_a_model_holds_its_retrainings_and_nothing_of_others(answer: Answer) -> None:
    told = answer("history", "minutes-a", "--limit", "0")
    assert {entry["event"].get("model", "minutes-a") for entry in told} == {"minutes-a"}
    batches = [entry["event"]["kind"] for entry in told if entry["event"].get("batch") == BATCH]
    assert batches == ["retraining_started", "retraining_finished"]
    others = answer("history", "minutes-b", "--limit", "0")
    assert not [entry for entry in others if entry["event"]["kind"].startswith("retraining")]


def test_history_is_narrowed_by_kinds(answer: Answer) -> None:
    told = answer("history", "--kind", "version_promoted", "--kind", "version_refused")
    assert [entry["event"]["kind"] for entry in told] == ["version_refused", "version_promoted", "version_promoted"]


def test_an_unknown_kind_is_wrong_usage_and_names_the_known_ones(run: Run) -> None:
    result = run("history", "--kind", "version_promotd")
    assert result.exit_code == 2
    assert "version_promoted" in result.stderr


def test_brackets_of_a_reason_are_text_and_not_markup(run: Run) -> None:
    assert "1 due [urgent]" in run("history", "--kind", "retraining_started").stdout


def test_a_history_longer_than_a_page_is_read_whole(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = answer("history", "--limit", "0")
    monkeypatch.setattr("jobs.cli.history._PAGE", 3)
    assert answer("history", "--limit", "0") == whole
    assert answer("history", "--limit", "4") == whole[-4:]


def test_an_entry_is_shown_whole_with_its_sentence_and_leaf_hash(run: Run, answer: Answer) -> None:
    document = answer("ledger", "show", "1")
    assert (document["seq"], document["principal"], document["event"]["kind"]) == (1, "user:dora", "spec_applied")
    assert len(document["leaf_hash"]) == 64
    shown = run("ledger", "show", "1").stdout
    assert document["sentence"] in shown
    assert '"kind": "spec_applied"' in shown


def test_an_entry_that_is_not_there_is_a_failure_that_says_how_many_there_are(run: Run, written: Installation) -> None:
    result = run("ledger", "show", "999")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"there is no entry 999: the ledger has {written.writer.state.size}" in result.stderr


@pytest.mark.parametrize("command", ["model", "findings", "history"])
def test_an_unknown_model_is_a_failure_that_names_it(command: str, run: Run) -> None:
    result = run(command, "minutes-z")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "fleetward: no model is named 'minutes-z'\n"


def test_another_ledger_is_read_by_its_url(run: Run, written: Installation, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.db"
    with Log.open(f"sqlite:///{elsewhere}", lambda: written.writer.state.ticks_until):
        pass
    result = run("models", "--database", f"sqlite:///{elsewhere}", "-o", "json")
    assert (result.exit_code, result.stdout) == (0, "[]\n")


def test_reading_asks_the_governor_when_a_cluster_is_up_and_the_ledger_when_told_to(
    answer: Answer, governed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def connected(settings: Settings) -> StandInGovernor:
        asked.append("governor")
        return StandInGovernor(governed)

    monkeypatch.setattr("jobs.cli.reading.is_up", lambda settings: True)
    monkeypatch.setattr("jobs.cli.governed.Governed.connected", connected)
    assert len(answer("models", "--offline")) == 2
    assert asked == []
    assert len(answer("models")) == 2
    assert asked == ["governor"]
