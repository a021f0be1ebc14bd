"""Routes that tell what is so; plain functions, which FastAPI runs beside its event loop."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from runtime.control import pages
from runtime.control.admission import ACCESS, ENTRIES, FLEET
from runtime.control.asking import FIRST_PAGE, Asked, AsOf, Cursor, Limit, Who
from runtime.control.views import access, findings, fleet, models
from runtime.control.views.entries import concerns, entry_document
from runtime.domain.entry import Entry
from runtime.ledger.errors import NeverHeld

router = APIRouter()

Document = dict[str, Any]
Model = Annotated[str, Path(max_length=200, description="The model's name.")]
OfModel = Annotated[str | None, Query(max_length=200, description="Only what concerns this model.")]
Waiting = Annotated[bool, Query(description="Only those that wait for somebody.")]


@router.get("/v1/fleet", summary="The fleet in numbers")
def get_fleet(asked: Asked, who: Who, as_of: AsOf = None) -> Document:
    """Counts over all models, and how many entries they were folded from."""
    who.check(FLEET)
    with asked.standing.at(as_of) as state:
        return {"size": state.size, "authentication": state.authentication, **fleet.summary(state)}


@router.get("/v1/whoami", summary="Who asks, and with which roles")
def get_whoami(who: Who) -> Document:
    """As what a command of the caller would be recorded."""
    return {
        "principal": who.principal,
        "roles": sorted(role.value for role in who.roles),
        "models": list(who.identity.models),
    }


@router.get("/v1/waiting", summary="How much waits for somebody")
def get_waiting(asked: Asked, who: Who) -> dict[str, int]:
    """Versions that wait for consent, findings and incidents that nobody has answered for good, rollouts that run."""
    who.check(FLEET)
    with asked.standing.now() as state:
        return fleet.waiting(state)


@router.get("/v1/models", summary="Models by name")
def get_models(
    asked: Asked, who: Who, limit: Limit = FIRST_PAGE, cursor: Cursor = None, as_of: AsOf = None
) -> Document:
    """A line a model; a client sees those that its key is good for."""
    after = pages.key_of(cursor)
    with asked.standing.at(as_of) as state:
        names = sorted(name for name in state.models if (after is None or name > after) and who.sees(name))
        lines = (models.model_line(state.models[name]) for name in names)
        return pages.page(state.size, lines, limit, lambda line: str(line["model"]))


@router.get("/v1/models/{model}", summary="One model with its versions")
def get_model(asked: Asked, who: Who, response: Response, model: Model, as_of: AsOf = None) -> Document:
    """Everything the ledger says of it. Its `ETag` changes with each entry about it."""
    who.check_model(model)
    with asked.standing.at(as_of) as state:
        found = state.model(model)
        response.headers["etag"] = f'"{found.seq}"'
        return {"size": state.size, **models.model_document(found)}


@router.get("/v1/models/{model}/versions", summary="A model's versions")
def get_versions(asked: Asked, who: Who, model: Model, as_of: AsOf = None) -> Document:
    """All of them, oldest first."""
    who.check_model(model)
    with asked.standing.at(as_of) as state:
        return pages.whole(state.size, map(models.version_document, state.model(model).versions.values()))


@router.get("/v1/models/{model}/versions/{version}", summary="One version")
def get_version(
    asked: Asked, who: Who, model: Model, version: Annotated[int, Path(ge=1)], as_of: AsOf = None
) -> Document:
    """What it was made from, how it was tested, who approved it, and its grants."""
    who.check_model(model)
    with asked.standing.at(as_of) as state:
        return {"size": state.size, **models.version_document(state.model(model).version(version))}


@router.get("/v1/rollouts", summary="Rollouts that run")
def get_rollouts(asked: Asked, who: Who, as_of: AsOf = None) -> Document:
    """By model, with their steps and what was measured."""
    who.check(FLEET)
    with asked.standing.at(as_of) as state:
        return pages.whole(state.size, models.rollouts(state))


@router.get("/v1/approvals", summary="Versions that wait for consent")
def get_approvals(asked: Asked, who: Who, as_of: AsOf = None) -> Document:
    """Those registered first in front; `revision` is what `If-Match` takes."""
    who.check(FLEET)
    with asked.standing.at(as_of) as state:
        return pages.whole(state.size, models.approvals(state))


@router.get("/v1/findings", summary="Findings, the newest first")
def get_findings(
    asked: Asked,
    who: Who,
    model: OfModel = None,
    waiting: Waiting = False,  # noqa: FBT002
    limit: Limit = FIRST_PAGE,
    cursor: Cursor = None,
    as_of: AsOf = None,
) -> Document:
    """Alarms with their evidence, the policy's answer and people's."""
    who.check(FLEET)
    wanted = findings.Asked(model, waiting, pages.number_of(cursor))
    with asked.standing.at(as_of) as state:
        return pages.page(state.size, findings.findings(state, wanted), limit, lambda each: str(each["entry"]))


@router.get("/v1/findings/{finding}", summary="One finding or incident")
def get_finding(asked: Asked, who: Who, finding: Annotated[str, Path(max_length=200)], as_of: AsOf = None) -> Document:
    """By its id, or by the first letters of it."""
    who.check(FLEET)
    with asked.standing.at(as_of) as state:
        return {"size": state.size, **findings.one_finding(state, finding)}


@router.get("/v1/incidents", summary="Incidents, the newest first")
def get_incidents(
    asked: Asked,
    who: Who,
    model: OfModel = None,
    waiting: Waiting = False,  # noqa: FBT002
    limit: Limit = FIRST_PAGE,
    cursor: Cursor = None,
    as_of: AsOf = None,
) -> Document:
    """One cause of many models' findings each."""
    who.check(FLEET)
    wanted = findings.Asked(model, waiting, pages.number_of(cursor))
    with asked.standing.at(as_of) as state:
        return pages.page(state.size, findings.incidents(state, wanted), limit, lambda each: str(each["entry"]))


@router.get("/v1/inventory", summary="Who answers for which model")
def get_inventory(asked: Asked, who: Who, as_of: AsOf = None) -> Document:
    """Owner, tier, review and what is overdue; `fleetward inventory` counts its actual use beside."""
    who.check(FLEET)
    now = datetime.now(UTC) if as_of is None else _time_at(asked, as_of)
    with asked.standing.at(as_of) as state:
        return pages.whole(state.size, fleet.inventory(state, now))


@router.get("/v1/specs", summary="Applied specs")
def get_specs(asked: Asked, who: Who, as_of: AsOf = None) -> Document:
    """By name, with their digests."""
    who.check(FLEET)
    with asked.standing.at(as_of) as state:
        return pages.whole(state.size, fleet.specs(state))


@router.get("/v1/specs/{spec}", summary="One spec")
def get_spec(asked: Asked, who: Who, spec: Annotated[str, Path(max_length=200)], as_of: AsOf = None) -> Document:
    """The whole document, as it was applied last."""
    who.check(FLEET)
    with asked.standing.at(as_of) as state:
        return {"size": state.size, **fleet.spec_document(state, spec)}


@router.get("/v1/policies", summary="Policies over specs")
def get_policies(asked: Asked, who: Who, as_of: AsOf = None) -> Document:
    """What is in force of each, and what waits for a second person."""
    who.check(FLEET)
    with asked.standing.at(as_of) as state:
        return pages.whole(state.size, fleet.policies(state))


@router.get("/v1/pools", summary="Pools")
def get_pools(asked: Asked, who: Who, as_of: AsOf = None) -> Document:
    """Where models are answered, and what replicas get."""
    who.check(FLEET)
    with asked.standing.at(as_of) as state:
        return pages.whole(state.size, fleet.pools(state))


@router.get("/v1/holds", summary="Legal holds")
def get_holds(asked: Asked, who: Who, as_of: AsOf = None) -> Document:
    """By number, those that were released too."""
    who.check(FLEET)
    with asked.standing.at(as_of) as state:
        return pages.whole(state.size, fleet.holds(state))


@router.get("/v1/tokens", summary="API keys")
def get_tokens(asked: Asked, who: Who) -> Document:
    """Whose they are and what they are good for; of their secrets nothing is kept that could be told."""
    who.check(ACCESS)
    with asked.standing.now() as state:
        return pages.whole(state.size, access.tokens(state, datetime.now(UTC)))


@router.get("/v1/roles", summary="Roles of people")
def get_roles(asked: Asked, who: Who) -> Document:
    """Those that were given; the roles of a key stand with the key."""
    who.check(ACCESS)
    with asked.standing.now() as state:
        return pages.whole(state.size, access.roles(state))


@router.get("/v1/entries", summary="Entries of the ledger, the newest first")
def get_entries(
    asked: Asked,
    who: Who,
    model: OfModel = None,
    kind: Annotated[list[str] | None, Query(description="Only these kinds.", max_length=100)] = None,
    by: Annotated[str | None, Query(max_length=300, description="Only what this principal recorded.")] = None,
    limit: Limit = FIRST_PAGE,
    cursor: Cursor = None,
) -> Document:
    """What happened, with a sentence each. At most 20,000 entries are looked through: `next` goes on after them."""
    who.check(ENTRIES)
    log, size = asked.standing.log(), asked.standing.size()
    before = pages.number_of(cursor)
    end = size if before is None else min(before, size)
    last = max(0, end - SCANNED)
    told = (
        entry_document(entry)
        for entry in _backwards(log.entries, last, end, kind)
        if by in {None, entry.principal} and (model is None or concerns(entry, model))
    )
    found = pages.page(size, told, limit, lambda each: str(each["seq"]))
    return found if found["next"] is not None or not last else {**found, "next": pages.cursor_of(str(last))}


@router.get("/v1/entries/{seq}", summary="One entry")
def get_entry(asked: Asked, who: Who, seq: Annotated[int, Path(ge=0, le=2**53)]) -> Document:
    """Its leaf, its sentence; `/v1/ledger` has its hash and proofs."""
    who.check(ENTRIES)
    log = asked.standing.log()
    for entry in log.entries(seq, 1):
        if entry.seq == seq:
            return entry_document(entry)
    raise NeverHeld(f"entry {seq}", asked.standing.size())


def _time_at(asked: Asked, size: int) -> datetime:
    """When the last of so many entries was recorded."""
    return next((entry.time for entry in asked.standing.log().entries(max(size - 1, 0), 1)), datetime.now(UTC))


_PAGE = 1_000
SCANNED = 20_000
"""Entries that one question looks through, so that a rare kind in a long ledger holds nobody up."""


def _backwards(read: Any, last: int, end: int, kinds: list[str] | None) -> Iterable[Entry]:
    while end > last:
        start = max(last, end - _PAGE)
        found = [entry for entry in read(start, end - start, kinds or None) if entry.seq < end]
        yield from reversed(found)
        end = start
