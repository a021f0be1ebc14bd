"""A model's route as a replica serves it, and what comes of one request: the pool's own types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from runtime.domain.decision import Decision
from runtime.domain.errors import FleetwardError, ModelGone, NotServable, RequestError
from runtime.domain.events import Stage
from runtime.domain.grant import Grant
from runtime.domain.routes import Servable
from runtime.domain.schema import Schema
from runtime.domain.serving import Serving
from runtime.domain.spec import Capture as Policy
from runtime.policy.overrides import Watch
from runtime.serving.awaited import Awaited
from runtime.serving.protocols.oip import Reader
from runtime.serving.sunset import NOTHING, Told
from runtime.storage.subject_key import SubjectKey


class Key(NamedTuple):
    """Which bytes of which version: what a loaded version is found by."""

    model: str
    version: int
    artifact: str

    @classmethod
    def of(cls, grant: Grant) -> Key:
        """What the grant allows to be loaded."""
        return cls(grant.model, grant.version, grant.artifact)


@dataclass(frozen=True, slots=True)
class Offered:
    """A version that a route names: all that is needed to read a request to it and to record its answer.

    Its predictor is in the pool's memory, or is loaded when it is asked for.
    """

    key: Key
    grant_id: str
    valid_until: float
    schema: Schema
    reader: Reader
    servable: Servable
    watch: Watch | None = None
    """The model's overrides, bound to this version; None where it has none."""

    @property
    def version(self) -> int:
        """Its number."""
        return self.key.version

    @property
    def artifact(self) -> str:
        """The digest of its bytes."""
        return self.key.artifact

    @property
    def output(self) -> str:
        """The output that predictions are of: the schema's first."""
        return self.schema.outputs[0].name


@dataclass(frozen=True, slots=True)
class Live:
    """A model's route as this replica serves it."""

    model: str
    champion: Offered | None
    challenger: Offered | None
    stage: Stage | None
    share: float
    reason: str
    capture: Policy
    """How surely its decisions are kept."""
    serving: Serving
    told: Told = NOTHING
    """Header fields of every answer: that, and when, the model ends."""
    retired: bool = False

    @property
    def unserved(self) -> NotServable:
        """Why nothing of it answers, now or ever again."""
        return ModelGone(self.model, self.reason) if self.retired else NotServable(self.model, self.reason)

    @property
    def offered(self) -> list[Offered]:
        """Champion and challenger, as far as they are there."""
        return [each for each in (self.champion, self.challenger) if each is not None]

    @property
    def keeps_in_memory(self) -> bool:
        """Whether nothing of it may be evicted: it is pinned, or a pair is being compared."""
        return self.serving.pinned or self.challenger is not None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and how the request is traced."""

    name: str
    trace_id: str
    started: float
    """``time.perf_counter()`` when the request arrived."""
    subject: SubjectKey | None = None
    """The key of whom the request is about; its decisions are recorded under it."""
    is_tester: bool = False
    """It named the version as a tester."""
    awaited: Awaited | None = None
    """What versions that answer from elsewhere gave so far; without it they are asked in the caller's thread."""


def nothing(_: Awaited | None = None) -> Decision | None:
    """What is predicted beside an answer without a pair."""
    return None


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out, the decision that records it, and the prediction that is made beside it afterwards."""

    decision: Decision
    output: str
    capture: Policy
    beside: Callable[..., Decision | None]
    """Called with what was awaited for it (``awaited``), or with nothing."""
    overridden: Overridden | None = None
    """What the model's overrides made of it; None where none fired."""

    @property
    def outputs(self) -> list[float]:
        """What goes out: of the first output, a value a row."""
        return self.decision.outputs if self.overridden is None else self.overridden.outputs

    @property
    def refusal(self) -> RequestError | None:
        """Why nothing goes out."""
        return None if self.overridden is None else self.overridden.refusal

    @property
    def others(self) -> tuple[Answer, ...]:
        """Answers of other models that went into this one; their decisions are kept before it goes out."""
        return () if self.overridden is None else self.overridden.others


@dataclass(frozen=True, slots=True)
class Overridden:
    """Which rules fired on an answer, each in words, and what goes out in place of its decision's outputs."""

    said: tuple[str, ...]
    outputs: list[float]
    refusal: RequestError | None = None
    others: tuple[Answer, ...] = field(default=())


class NotInMemory(FleetwardError):
    """The version that should answer is not loaded at this moment; whoever waits for it asks again afterwards."""

    status = 503

    def __init__(self, key: Key) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"model {self.key.model!r} version {self.key.version} is not in memory"


class Overloaded(FleetwardError):
    """Too much waits already; the same request may succeed ``retry_after`` whole seconds later."""

    status = 503

    def __init__(self, model: str, reason: str, retry_after: int = 1) -> None:
        super().__init__(model, reason, retry_after)
        self.model, self.reason, self.retry_after = model, reason, retry_after

    def __str__(self) -> str:
        return f"model {self.model!r}: {self.reason}; try again in {self.retry_after} s"

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """As RFC 9110, 10.2.3 has it."""
        return ((b"retry-after", b"%d" % self.retry_after),)
