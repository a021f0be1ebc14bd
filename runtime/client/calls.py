"""A call as data: what is sent, and how its answer is read. Both clients carry out the same ones."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from runtime.client.told import Approval, Entry, Finding, Model, ModelLine, Prediction, Recorded, Told, Whoami

T = TypeVar("T")
Shape = TypeVar("Shape", bound=Told)

API = "/api"
PAGE = 500


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, safe to send again: a GET, or a POST with a key."""

    method: str
    path: str
    read: Callable[[Any], T]
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list; ``size`` is how many entries of the ledger it tells of."""

    items: tuple[T, ...]
    size: int
    next: str | None


def get(path: str, read: Callable[[Any], T], /, **asked: Any) -> Call[T]:
    """A document at a path; what is None is not asked."""
    params = {name: _spelled(value) for name, value in asked.items() if value is not None}
    return Call("GET", API + path, read, params)


def page(path: str, shape: type[Shape], cursor: str | None, /, **asked: Any) -> Call[Page[Shape]]:
    """A page of a list."""

    def read(document: Any) -> Page[Shape]:
        items = tuple(shape.model_validate(each) for each in document["items"])
        return Page(items, document["size"], document["next"])

    return get(path, read, cursor=cursor, **asked)


def command(path: str, body: Mapping[str, Any], *, key: str | None, revision: int | None = None) -> Call[Recorded]:
    """A command; without a key of the caller's it gets one of its own, so that a lost answer can be asked for again."""
    headers = {"idempotency-key": key or str(uuid.uuid4())}
    if revision is not None:
        headers["if-match"] = f'"{revision}"'
    given = {name: value for name, value in body.items() if value is not None}
    return Call("POST", API + path, Recorded.model_validate, body=given, headers=headers)


def of_model(name: str, *parts: object) -> str:
    """The path of a model, or of something of it."""
    return "/".join(["/v1/models", quote(name, safe=""), *map(str, parts)])


def model(name: str, as_of: int | None = None) -> Call[Model]:
    """One model."""
    return get(of_model(name), Model.model_validate, as_of=as_of)


def whoami() -> Call[Whoami]:
    """Who asks."""
    return get("/v1/whoami", Whoami.model_validate)


def models(cursor: str | None) -> Call[Page[ModelLine]]:
    """Models by name."""
    return page("/v1/models", ModelLine, cursor, limit=PAGE)


def findings(cursor: str | None, model: str | None, *, waiting: bool | None) -> Call[Page[Finding]]:
    """Findings, the newest first."""
    return page("/v1/findings", Finding, cursor, model=model, waiting=waiting, limit=PAGE)


def approvals(cursor: str | None) -> Call[Page[Approval]]:
    """Versions that wait for consent."""
    return page("/v1/approvals", Approval, cursor)


def entries(cursor: str | None, model: str | None, kind: str | None) -> Call[Page[Entry]]:
    """Entries of the ledger, the newest first."""
    return page("/v1/entries", Entry, cursor, model=model, kind=kind, limit=PAGE)


def decide(
    name: str, model: str, version: int, reason: str, *, revision: int | None, key: str | None
) -> Call[Recorded]:
    """Consent to a version, or its refusal."""
    path = of_model(model, "versions", version, name)
    return command(path, {"reason": reason}, key=key, revision=revision)


def answer(finding: str, said: str, reason: str, snooze: str | None) -> Call[Recorded]:
    """What is said to a finding."""
    body = {"answer": said, "reason": reason, "snooze": snooze}
    return command(f"/v1/findings/{quote(finding, safe='')}/answer", body, key=None)


def predict(name: str, rows: Sequence[Mapping[str, Any]], decision_id: str | None) -> Call[Prediction]:
    """Rows by feature, over the Open Inference Protocol, whose answer names the decision.

    The decision's id is made here: sent again, it is the same decision.
    """
    known = decision_id or str(uuid.uuid4())
    columns = list(dict.fromkeys(column for row in rows for column in row))
    inputs = [_tensor(column, [row.get(column) for row in rows]) for column in columns]
    path = f"/v2/models/{quote(name, safe='')}/infer"
    return Call("POST", path, _prediction, body={"inputs": inputs}, headers={"idempotency-key": known})


def outcomes(name: str, decision_id: str, actuals: Sequence[Any]) -> Call[int]:
    """The truth of a decision, a value a row."""
    body = {"decision_id": decision_id, "actuals": list(actuals)}
    return Call("POST", f"/v2/models/{quote(name, safe='')}/outcomes", lambda told: int(told["accepted"]), body=body)


def _tensor(column: str, values: list[Any]) -> dict[str, Any]:
    is_text = any(isinstance(value, str) for value in values)
    return {"name": column, "shape": [len(values)], "datatype": "BYTES" if is_text else "FP64", "data": values}


def _prediction(document: Any) -> Prediction:
    parameters = document.get("parameters") or {}
    return Prediction(
        decision_id=parameters["decision_id"],
        model=document["model_name"],
        version=document["model_version"],
        outputs=tuple(document["outputs"][0]["data"]),
        parameters=parameters,
    )


def _spelled(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
