"""The inventory of a fleet says of each model what its evidence pack says, with use counted from decisions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from runtime.domain import canonical
from runtime.domain import events as e
from runtime.domain.base import rfc3339
from runtime.domain.ids import derived_id
from runtime.evidence.inventory import fleet_of, rows_of
from runtime.evidence.pack import write_pack
from runtime.proof.pack.form import Period
from tests.unit.domain.lives import FULL, MODEL, promoted, started
from tests.unit.evidence.conftest import Installation
from tests.unit.evidence.packs import lived, members

OTHER = "flight-time-AA"
YEAR = timedelta(days=365)


def row(installation: Installation, model: str = MODEL, span: timedelta = YEAR) -> dict[str, Any]:
    fleet = fleet_of(installation.log.entries())
    rows = {each.model: each for each in rows_of(fleet, installation.store, span, installation.now)}
    return {each["field"]: each for each in rows[model].fields}


def test_each_field_is_what_the_models_pack_says(installation: Installation) -> None:
    lived(installation)
    installation.publish()
    span = timedelta(days=3)
    end = installation.now + timedelta(microseconds=1)
    period = Period(MODEL, rfc3339(installation.now - span), rfc3339(end))
    path = installation.folder / "pack.zip"
    write_pack(installation.signed(), installation.store, period, path, sample=0, passports=0)
    packed = canonical.decode(members(path.read_bytes())["inventory.json"])
    fleet = fleet_of(installation.log.entries())
    (mine,) = rows_of(fleet, installation.store, span, installation.now)
    said = {each["field"]: each for each in mine.fields}
    for field in packed:
        if field["field"] != "oversight mode":  # the pack's people are those of the model; so are the inventory's
            assert said[field["field"]] == field
    assert said["actual use"]["value"]["records"] == 16
    assert said["actual use"]["value"]["by_variant"] == {"champion": 12, "shadow": 4}


def test_use_is_counted_model_by_model_within_its_days(installation: Installation) -> None:
    installation.served()
    installation.record("user:dora", e.ModelDeclared(model=OTHER, spec="flights", partition={"carrier": "AA"}))
    installation.record("service:operator", started(1, FULL), promoted(1))
    installation.seal(*(installation.decide(derived_id("old", each)) for each in range(2)))
    installation.now += timedelta(days=10)
    installation.seal(*(installation.decide(derived_id("new", each), rows=2) for each in range(3)))
    assert row(installation)["actual use"]["value"]["records"] == 8
    assert row(installation, span=timedelta(days=1))["actual use"]["value"]["records"] == 6
    assert row(installation, OTHER)["actual use"]["value"] == {
        "records": 0,
        "by_caller": {},
        "by_variant": {},
        "days": 0,
        "more": "decisions.json",
    }


def test_bodies_that_are_gone_are_no_use_of_nobody(installation: Installation) -> None:
    installation.served()
    installation.record("service:operator", started(1, FULL), promoted(1))
    segment = installation.seal(installation.decide(derived_id("d", 1)))
    installation.delete(segment)
    assert "not there" in row(installation)["actual use"]["gap"]


def test_a_review_and_an_announced_end_stand_in_their_fields(installation: Installation) -> None:
    installation.served()
    installation.record("service:operator", started(1, FULL), promoted(1))
    assert "gap" in row(installation)["validator"]
    reviewed = e.ModelReviewed(model=MODEL, version=1, found=e.Fitness.FIT, reason="looked at")
    until = installation.now + timedelta(days=30)
    ending = e.RetirementAnnounced(model=MODEL, until=until, reason="route closed")
    installation.record("user:ada", reviewed, ending)
    said = row(installation)
    assert said["validator"]["value"] == "user:ada"
    assert said["validation status and date"]["value"]["review"]["found"] == "fit"
    assert said["decommission plan"]["value"]["until"] == rfc3339(until)
    installation.record("user:ada", e.RetirementCancelled(model=MODEL, reason="it stays"))
    assert "gap" in row(installation)["decommission plan"]
