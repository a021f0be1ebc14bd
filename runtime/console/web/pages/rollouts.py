"""Rollouts that run: their steps, where each is, what was measured of it, and what people do to it."""

from __future__ import annotations

from typing import Any

from runtime.console.web.commanding import command, entry_of, in_path
from runtime.console.web.desk import Acted, Desk, Fields, Page
from runtime.console.web.forms import FormRefused
from runtime.console.words import step_in_words
from runtime.domain import events as e

_MOVES = {
    "pause": e.RolloutPaused,
    "resume": e.RolloutResumed,
    "abort": e.RolloutAborted,
    "promote": e.VersionPromoted,
}


async def page(desk: Desk) -> Page:
    """By model."""
    told = await desk.api.get("/v1/rollouts")
    only = desk.asked("model")
    values = {
        "rollouts": [each | {"told": _steps(each)} for each in told["items"] if only in {"", each["model"]}],
        "may": {move for move, event in _MOVES.items() if desk.visitor.may(event)},
    }
    return Page("rollouts.html.j2", "Rollouts", "Rollouts", values, told["size"])


async def act(desk: Desk, fields: Fields) -> Acted:
    """Hold the rollout or let it go on, end it, or skip its rest; only while it is the one that was seen."""
    model, move, version = desk.part("model"), fields.get("move", ""), fields.get("version", "")
    if move not in _MOVES:
        raise FormRefused(f"{move[:20]!r} is nothing that is done to a rollout here")
    running = {each["model"]: each for each in (await desk.api.get("/v1/rollouts"))["items"]}.get(model)
    if running is None or str(running["version"]) != version:
        raise FormRefused(f"the rollout of {model} version {version[:10]} runs no more: load the page again")
    path = f"/v1/models/{in_path(model)}/rollout/{move}"
    told = await command(desk, path, {"reason": fields.get("reason", "")}, fields)
    goes_on = move in {"pause", "resume"}
    return Acted(entry_of(told), "rollouts" if goes_on else f"models/{in_path(model)}")


def _steps(rollout: dict[str, Any]) -> list[dict[str, Any]]:
    """Its steps in words, each over, running or to come."""
    at = rollout["step"]
    return [
        {
            "words": step_in_words(e.Step.model_validate(step)),
            "state": "over" if number < at else "running" if number == at else "to come",
        }
        for number, step in enumerate(rollout["steps"])
    ]
