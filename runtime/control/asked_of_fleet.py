"""Commands about specs, pools and API keys, and any event as it stands in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError

from runtime.control.wanted import Given, Reason, Wanted, built, misfit
from runtime.domain.base import Document
from runtime.domain.errors import SchemaMismatch
from runtime.domain.events import Event, SpecApplied, event_from_document
from runtime.domain.ids import Digest
from runtime.domain.load import parse_document, parse_spec
from runtime.domain.policies import PolicyProposed, UnknownPolicy
from runtime.domain.policy_document import PolicyDocument
from runtime.domain.pools import PoolConfigured
from runtime.domain.spec import Spec
from runtime.domain.terms import Duration
from runtime.domain.tokens import GivenRole, ModelPattern, TokenCreated

_LARGEST_SPEC = 400_000


class Applied(Document):
    """A spec: YAML text as its owner wrote it, or the document that it is."""

    spec: Annotated[str, StringConstraints(max_length=_LARGEST_SPEC)] | dict[str, Any]


class PoolChanges(Document):
    """What is not named stays as it is."""

    replicas: int | str | None = None
    cpus: float | None = None
    gpus: float | None = None
    memory: int | str | None = None
    target_ongoing: float | None = None
    upscale_delay: str | None = None
    downscale_delay: str | None = None


class NewToken(Document):
    """Whose key, what it is good for, and how long (``90d``)."""

    name: Annotated[str, StringConstraints(pattern=r"^[\w.@-]{1,100}$")]
    roles: tuple[GivenRole, ...] = Field(min_length=1, max_length=16)
    models: tuple[ModelPattern, ...] = Field(default=(), max_length=1_000)
    per_second: float | None = Field(default=None, gt=0, le=1e6)
    lasts: Duration = timedelta(days=90)


class Proposal(Document):
    """A policy, as YAML text or as the document that it is; ``backtest`` is a report in the object store."""

    policy: Annotated[str, StringConstraints(max_length=_LARGEST_SPEC)] | dict[str, Any]
    reason: Reason
    backtest: Digest | None = None


class Capacity(Document):
    """Retrainings that the fleet may begin: so many models in so long."""

    models: int = Field(ge=1, le=1_000_000)
    every: str = Field(max_length=32)
    reason: Reason


class AnyEvent(Document):
    """An event, as an entry shows it."""

    event: dict[str, Any]


def applied(given: Given) -> Wanted:
    """Raises ``SpecError``; wants nothing where just this spec is applied already."""
    from runtime.flavors import fitting

    spec = _spec(given.body.spec)
    fitting.check(spec.train, spec.task, weighted=spec.retrain.half_life is not None)
    with given.standing.now() as state:
        present = state.specs.get(spec.name)
    shown = {"spec": spec.name, "digest": spec.digest}
    if present is not None and present.digest == spec.digest:
        return Wanted(None, shown)
    values = {"name": spec.name, "digest": spec.digest, "spec": spec.as_document()}
    return Wanted(built(SpecApplied, values), shown)


def applied_alike(given: Given, event: Event) -> bool:
    """Whether it is just this spec."""
    return isinstance(event, SpecApplied) and event.digest == _spec(given.body.spec).digest


def pool_changed(given: Given) -> Wanted:
    """Raises ``SchemaMismatch`` for options that make no sense together."""
    changes = given.body.model_dump(exclude_none=True)
    if not changes:
        raise SchemaMismatch("body", "nothing to set", "at least one option, such as replicas")
    pool = given.places["pool"]
    with given.standing.now() as state:
        said = state.pools.get(pool)
    present = {"replicas": given.acting.replicas} if said is None else said.as_document()
    return Wanted(built(PoolConfigured, {"pool": pool, "options": present | changes}))


def token_created(given: Given) -> Wanted:
    """The key itself is in what is shown, once."""
    made, body = given.acting.new_key(), given.body
    values = {
        "token": made.token,
        "name": body.name,
        "roles": body.roles,
        "models": body.models,
        "per_second": body.per_second,
        "expires": datetime.now(UTC) + body.lasts,
        "secret": made.secret,
    }
    return Wanted(built(TokenCreated, values), {"token": made.token, "key": made.text})


def policy_proposed(given: Given) -> Wanted:
    """Raises ``SpecError`` for what is no policy."""
    body = given.body
    if isinstance(body.policy, str):
        policy = parse_document(body.policy, "body.policy", PolicyDocument, "kind, name, about, ...")
    else:
        try:
            policy = PolicyDocument.model_validate(body.policy)
        except ValidationError as error:
            raise misfit(error, "body.policy") from error
    said = {"name": policy.name, "digest": policy.digest, "document": policy.as_document(), "reason": body.reason}
    evidence = {} if body.backtest is None else {"backtest": body.backtest}
    return Wanted(built(PolicyProposed, {**said, **evidence}), {"digest": policy.digest})


def of_proposal(kind: Callable[..., Event]) -> Callable[[Given], Wanted]:
    """Commands about the proposal of a policy that waits. Raises ``UnknownPolicy``."""

    def wants(given: Given) -> Wanted:
        name = given.places["policy"]
        with given.standing.now() as state:
            known = state.policies.get(name)
        if known is None or known.waiting is None:
            raise UnknownPolicy(name, "no proposal of it waits")
        return Wanted(built(kind, {"name": name, "digest": known.waiting.digest, "reason": given.body.reason}))

    return wants


def any_event(given: Given) -> Wanted:
    """Raises ``SchemaMismatch``."""
    try:
        return Wanted(event_from_document(given.body.event))
    except ValidationError as error:
        raise misfit(error, "body.event") from error


def event_alike(given: Given, event: Event) -> bool:
    """Whether it is just this event."""
    return any_event(given).event == event


def _spec(said: str | dict[str, Any]) -> Spec:
    if isinstance(said, str):
        return parse_spec(said, "body.spec")
    try:
        return Spec.model_validate(said)
    except ValidationError as error:
        raise misfit(error, "body.spec") from error
