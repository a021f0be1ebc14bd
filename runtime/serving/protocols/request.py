"""What every protocol reads a body into, and what it renders an answer from.

    body ──read──> Asked ──pool──> Prediction ──Asked.render──> Rendered

A request's *context* is what it says beside its columns, as ``parameters`` (OIP, KServe), ``params`` (MLflow) or the
metadata of an Arrow schema: ``event_time`` (RFC 3339, the moment the data are of), ``sticky_key`` (who must stay on
one side of a canary), ``decision_id`` (a UUID, so that a retry is the same decision), ``subject`` (whom the data are
about: its record then holds a pseudonym, and the inputs as ciphertext that an erasure makes unreadable). Others are
ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from numpy.typing import NDArray

from runtime.domain.erasure import checked_subject
from runtime.domain.errors import RequestError
from runtime.serving.protocols.document import decision_id, kind

JSON = b"application/json"

Columns = Mapping[str, NDArray[Any]]


class Fitted(NamedTuple):
    """Columns that fit a schema, in its order; what ``InferRequest`` says of them."""

    rows: int
    columns: Columns
    numbers: tuple[list[float | None], ...]
    texts: tuple[list[str | None], ...]


class Context(NamedTuple):
    """What a request says beside its columns."""

    decision_id: str | None = None
    sticky_key: str | None = None
    event_time: datetime | None = None
    subject: str | None = None


class InferRequest(NamedTuple):  # a frozen dataclass takes four times as long to build
    """A request that fits its schema. Columns are in schema order, each of ``rows`` values.

    ``columns`` holds float64 arrays (NaN where missing) and object arrays (None where missing) for the predictor,
    ``numbers`` and ``texts`` the same values as lists for the decision record.
    """

    rows: int
    columns: Columns
    numbers: tuple[list[float | None], ...]
    texts: tuple[list[str | None], ...]
    id: str | None = None
    decision_id: str | None = None
    sticky_key: str | None = None
    event_time: datetime | None = None
    subject: str | None = None

    def __repr__(self) -> str:
        """Without the subject and the values, so that no log has them."""
        return f"InferRequest(rows={self.rows}, id={self.id!r}, decision_id={self.decision_id!r})"


class Output(NamedTuple):
    """One output column of an answer; ``datatype`` is the protocol's name for its kind."""

    name: str
    datatype: str
    values: Sequence[Any]


class Prediction(NamedTuple):
    """What an answer says, and where it came from."""

    model: str
    version: int
    decision_id: str
    variant: str
    outputs: tuple[Output, ...]
    override: str = ""
    """Which of the model's overrides fired (``overriding``)."""


class Rendered(NamedTuple):
    """An answer's bytes, their media type and the headers that belong to them."""

    body: bytes
    media_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Asked(NamedTuple):
    """A request as it was read, and how its answer is written."""

    request: InferRequest
    render: Callable[[Prediction], Rendered]


def asked(fitted: Fitted, context: Context, render: Callable[[Prediction], Rendered], id: str | None = None) -> Asked:  # noqa: A002 - the protocol's own name
    """Columns and context put together."""
    return Asked(InferRequest(*fitted, id, *context), render)


_NO_CONTEXT = Context()


def context(parameters: Any, where: str = "parameters") -> Context:
    """The context in an object of parameters, which may be absent. Raises ``RequestError``."""
    if not parameters:
        return _NO_CONTEXT
    if type(parameters) is not dict:
        raise RequestError(where, kind(parameters), "an object")
    return Context(
        _decision_id(parameters.get("decision_id"), where),
        _sticky_key(parameters.get("sticky_key"), where),
        _event_time(parameters.get("event_time"), where),
        _subject(parameters.get("subject"), where),
    )


def _decision_id(value: Any, where: str) -> str | None:
    return None if value is None else decision_id(value, f"{where}.decision_id")


def _sticky_key(value: Any, where: str) -> str | None:
    if value is None or type(value) is str:
        return value or None
    raise RequestError(f"{where}.sticky_key", kind(value), "a string")


def _subject(value: Any, where: str) -> str | None:
    return None if value is None else checked_subject(value, f"{where}.subject")


def _event_time(value: Any, where: str) -> datetime | None:
    if value is None:
        return None
    place = f"{where}.event_time"
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise RequestError(place, kind(value), "an RFC 3339 moment") from error
    raise RequestError(place, kind(value), "an RFC 3339 moment with its offset or Z")
