"""Evidence packs out of a real ledger and real segments: what they tell, and what cannot be given."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runtime.domain import canonical
from runtime.domain import events as e
from runtime.domain.errors import UnknownModel
from runtime.domain.ids import derived_id
from runtime.evidence.errors import EvidenceMissing
from runtime.proof.pack.form import Period
from runtime.proof.pack.inventory import FIELDS
from tests.unit.domain.lives import MODEL, MONDAY, a_spec, applied, rolled_back, started
from tests.unit.evidence.conftest import Installation
from tests.unit.evidence.packs import a_period, checked, lived, members, written

DAY = timedelta(days=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pack.zip"


def told(path: Path, name: str) -> Any:
    """What a file of the pack says."""
    return canonical.decode(members(path.read_bytes())[name])


def field(path: Path, name: str) -> dict[str, Any]:
    (found,) = (each for each in told(path, "inventory.json") if each["field"] == name)
    return dict(found)


def test_a_pack_of_everything_verifies_and_says_what_is_in_it(installation: Installation, path: Path) -> None:
    lived(installation)
    made = written(installation, path)
    found = checked(path.read_bytes(), installation.keys)
    assert (found.model, found.size, found.digest) == (MODEL, installation.log.size, made.digest)
    assert (found.records, found.records_in_pack, found.passports, found.records_deleted) == (16, 16, 2, 3)
    assert found.word == ()
    assert found.gaps == len(made.gaps)


def test_the_same_evidence_gives_the_same_archive(installation: Installation, path: Path, tmp_path: Path) -> None:
    lived(installation)
    written(installation, path)
    written(installation, tmp_path / "again.zip")
    assert path.read_bytes() == (tmp_path / "again.zip").read_bytes()


def test_every_field_of_the_inventory_is_a_value_or_a_gap_with_its_reason(
    installation: Installation, path: Path
) -> None:
    lived(installation)
    written(installation, path)
    row = told(path, "inventory.json")
    assert [each["field"] for each in row] == list(FIELDS)
    assert all(("value" in each) != bool(each.get("gap")) for each in row)
    named = {(each["record"], each["field"]) for each in told(path, "gaps.json")}
    assert {("inventory", each["field"]) for each in row if "gap" in each} <= named
    assert ("inventory", "validator") in named
    assert all(each["why"] for each in told(path, "gaps.json"))


def test_what_the_owner_says_of_the_model_fills_the_inventory(installation: Installation, path: Path) -> None:
    said = {
        "intended_use": "crew planning",
        "out_of_scope_use": "safety",
        "operating_boundaries": "New York",
        "assumptions": "schedules are kept",
        "limitations": "one year",
        "validator": "team risk",
        "line_of_business": "operations",
        "vendors": "none",
        "decommission_plan": "the table of 2012",
        "risk_rationale": "a wrong minute costs a re-plan",
    }
    lived(installation)
    installation.record("user:ada", applied(a_spec(**said)))
    installation.publish()
    written(installation, path)
    row = {each["field"]: each.get("value") for each in told(path, "inventory.json")}
    assert set(said.values()) <= {value for value in row.values() if isinstance(value, str)}
    assert (row["validator"], row["rationale of the risk tier"]) == (said["validator"], said["risk_rationale"])


def test_the_actual_use_is_counted_from_records(installation: Installation, path: Path) -> None:
    lived(installation)
    written(installation, path)
    counts = told(path, "decisions.json")["counts"]
    assert counts["by_day"] == {"2026-03-02": 12, "2026-03-03": 4}
    assert counts["by_variant"] == {"champion": 12, "shadow": 4}
    assert counts["by_caller"] == {"planning": 16}
    assert counts["latency_us"] == {"p50": 812, "p90": 812, "p99": 812, "max": 812}
    assert field(path, "actual use")["value"]["records"] == 16


def test_overrides_that_fired_are_counted_a_record_by_rule(installation: Installation, path: Path) -> None:
    installation.served()
    flags = (
        "@0 override:flag:missing:hour",
        "@0 override:flag:missing:dest",
        "override:refuse:low_confidence",
        "refused",
    )
    plain, ruled = (installation.decide(derived_id("ruled", each), rows=2) for each in range(2))
    installation.seal(plain, replace(ruled, flags=flags))
    installation.publish()
    written(installation, path)
    fired = {"low_confidence: refuse": 2, "missing: flag": 1, "refused": 2}
    assert told(path, "decisions.json")["counts"]["by_override"] == fired
    assert field(path, "actual use")["value"]["by_override"] == fired
    checked(path.read_bytes(), installation.keys)


def test_a_period_tells_of_itself_and_of_where_the_model_stands_now(installation: Installation, path: Path) -> None:
    lived(installation)
    written(installation, path, a_period(1))
    assert field(path, "champion version")["value"] == {"at_from": "none", "at_to": 1, "now": 1}
    assert [each["version"] for each in told(path, "versions.json")] == [1]
    assert told(path, "keeping.json")["holds"] == []
    assert told(path, "decisions.json")["counts"]["records"] == 12
    written(installation, path, a_period(1, MONDAY + DAY))
    assert field(path, "champion version")["value"] == {"at_from": 1, "at_to": 1, "now": 1}
    assert [(each["version"], each["status"]) for each in told(path, "versions.json")] == [
        (1, "champion"),
        (2, "shadow"),
    ]
    assert [each["reason"] for each in told(path, "keeping.json")["holds"]] == ["case <7>"]
    checked(path.read_bytes(), installation.keys)


def test_a_body_that_was_deleted_is_a_gap_and_never_read_even_where_the_store_still_holds_it(
    installation: Installation, path: Path, decision_id: str
) -> None:
    installation.served()
    segment = installation.seal(installation.decide(decision_id))
    installation.delete(segment, keep_body=True)
    installation.publish()
    written(installation, path)
    assert told(path, "decisions.json")["segments"][0]["body"] == "deleted"
    assert "gap" in field(path, "actual use")
    assert any("retention deleted" in each["why"] for each in told(path, "gaps.json"))
    assert checked(path.read_bytes(), installation.keys).records == 0


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_a_body_that_is_not_there_or_not_its_own_is_a_gap(
    damage: str, installation: Installation, path: Path, decision_id: str
) -> None:
    installation.served()
    segment = installation.seal(installation.decide(decision_id))
    installation.publish()
    body = Path(installation.store.path_of(segment.digest))
    body.unlink() if damage == "missing" else body.write_bytes(b"PAR1")
    written(installation, path)
    assert told(path, "decisions.json")["segments"][0]["body"] == damage
    assert checked(path.read_bytes(), installation.keys).word == ("that 1 bodies are missing or damaged",)


def test_a_sample_is_bounded_and_what_is_not_in_it_is_called_the_writers_word(
    installation: Installation, path: Path
) -> None:
    lived(installation)
    for most in (0, 5):
        written(installation, path, sample=most)
        found = checked(path.read_bytes(), installation.keys)
        assert (found.records, found.records_in_pack) == (16, most)
        assert found.word == (f"counts and latencies of the {16 - most} records that are not in the pack",)


def test_a_passport_that_cannot_be_given_is_a_gap_and_the_pack_is_written(
    installation: Installation, path: Path, decision_id: str
) -> None:
    installation.served()
    strange = installation.decide(decision_id)
    object.__setattr__(strange, "grant_id", "never given")
    installation.seal(strange)
    installation.publish()
    written(installation, path)
    assert [each for each in told(path, "gaps.json") if each["record"] == "passport"] == [
        {
            "record": "passport",
            "field": decision_id,
            "why": "no fitting grant_issued stands before entry 8 (segment_sealed)",
        }
    ]
    assert checked(path.read_bytes(), installation.keys).passports == 0


def test_a_finding_is_open_until_the_ledger_closes_it(installation: Installation, path: Path) -> None:
    lived(installation)
    written(installation, path)
    (finding,) = told(path, "findings.json")
    assert finding["open"] == (finding["verdict"]["verdict"]["action"] != "nothing")
    assert finding["finding"]["entry"] < finding["verdict"]["entry"]


def test_a_rollback_is_an_incident_and_a_remediation(installation: Installation, path: Path) -> None:
    lived(installation)
    steps = started(2).steps
    for at in range(1, len(steps)):
        installation.record("service:operator", e.RolloutAdvanced(model=MODEL, version=2, step=at, reason="good"))
    installation.record("service:operator", e.VersionPromoted(model=MODEL, version=2, reason="last"))
    installation.record("user:ada", rolled_back(2, 1))
    installation.publish()
    written(installation, path)
    assert "rolled_back" in field(path, "remediation actions")["value"]
    assert "rolled_back" in [each["kind"] for each in told(path, "incidents.json")]
    assert "user:ada" in field(path, "oversight mode")["value"]["people_who_acted"]
    assert [each["status"] for each in told(path, "versions.json")] == ["champion", "rolled_back"]


def test_records_kept_for_less_than_six_months_are_told_beside_the_clause(
    installation: Installation, path: Path
) -> None:
    lived(installation)
    written(installation, path)
    (clause,) = (each for each in told(path, "clauses.json") if each["clause"] == "Art. 19(1)")
    assert clause["gaps"][0] == "capture.keep_for is 180d; six months are up to 184 days"
    installation.declare(a_spec(capture={"keep_for": "400d"}))
    installation.publish()
    written(installation, path)
    (clause,) = (each for each in told(path, "clauses.json") if each["clause"] == "Art. 19(1)")
    assert not any("keep_for" in each for each in clause["gaps"])


def test_every_file_that_a_clause_names_is_in_the_pack(installation: Installation, path: Path) -> None:
    lived(installation)
    written(installation, path)
    names = members(path.read_bytes())
    for clause in told(path, "clauses.json"):
        for name in clause["files"]:
            assert any(each == name or each.startswith(name) for each in names), name


def test_the_page_says_everything_in_the_same_words_and_escapes_what_comes_from_outside(
    installation: Installation, path: Path
) -> None:
    lived(installation)
    written(installation, path)
    page = members(path.read_bytes())["evidence.html"].decode()
    for said in ("minutes in the air", "network-planning", "user:dora", "Version 2", "not recorded: approvals.json"):
        assert said in page
    assert "case &lt;7&gt;" in page
    assert "case <7>" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_model_that_nobody_declared_is_unknown(installation: Installation, path: Path) -> None:
    lived(installation)
    with pytest.raises(UnknownModel, match="nobody"):
        written(installation, path, Period("nobody", *a_period()[1:]))
    assert not path.exists()


def test_a_period_without_an_entry_gives_no_pack(installation: Installation, path: Path) -> None:
    lived(installation)
    for since in (MONDAY - 5 * DAY, MONDAY + 5 * DAY):
        with pytest.raises(EvidenceMissing, match="the entries under the checkpoint are of 2026-03-02T"):
            written(installation, path, a_period(1, since))
    assert not path.exists()


def test_a_model_that_was_declared_later_has_no_pack(installation: Installation, path: Path) -> None:
    installation.now += 2 * DAY
    lived(installation)
    with pytest.raises(EvidenceMissing, match="it was declared on 2026-03-04T"):
        written(installation, path, a_period(1))
    assert list(path.parent.glob("*.zip")) == []
