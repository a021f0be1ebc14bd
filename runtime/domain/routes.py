"""What a replica needs to answer: for each model its champion's grant, and a challenger's while one is rolled out."""

from __future__ import annotations

from pydantic import Field

from runtime.domain.base import Document
from runtime.domain.events import Stage
from runtime.domain.grant import SignedGrant
from runtime.domain.ids import ModelName
from runtime.domain.schema import Schema


class Servable(Document):
    """One version a replica may load, with the schema its requests are checked against."""

    signed: SignedGrant
    schema_: Schema = Field(alias="schema", serialization_alias="schema")


class Route(Document):
    """How one model's traffic is answered.

    Without a champion nothing answers and ``reason`` says why. In stage ``shadow`` the champion answers and the
    challenger predicts beside it; in ``canary`` the challenger answers ``share`` of the requests, and the champion
    predicts beside it there, so that every judged row was predicted by both.
    """

    model: ModelName
    champion: Servable | None = None
    challenger: Servable | None = None
    stage: Stage | None = None
    share: float = 0.0
    reason: str = ""


class Routes(Document):
    """The routes of a pool that changed after the ledger size a replica named, and the size they stand for.

    ``flush`` is a number that only grows: a replica that sees a higher one seals what it has captured before it
    asks again. ``applied`` sizes and flushes come back with the next question.
    """

    size: int
    flush: int
    routes: tuple[Route, ...]
