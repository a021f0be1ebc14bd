"""Keys for callers, made by a job."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from actors.connect import governor
from actors.quiescence import ask
from actors.recording import record
from runtime.domain.spec import Spec
from runtime.domain.tokens import Role, TokenCreated
from runtime.serving.authentication.credential import write_credential
from runtime.serving.authentication.pepper import Pepper
from runtime.settings import Settings


def admit_client(settings: Settings, name: str, models: tuple[str, ...], pool: str, lasts: timedelta) -> Path:
    """A key for a client of these models, in a file that ``curl -H @FILE`` takes; every replica knows it by then."""
    made = Pepper.load(settings.pepper).new_key()
    created = TokenCreated(
        token=made.token,
        name=name,
        roles=(Role.CLIENT,),
        models=models,
        expires=datetime.now(UTC) + lasts,
        secret=made.secret,
    )
    record([created], settings.principal, made.token)
    path = settings.home / "keys" / name
    write_credential(path, made.text)
    ask(governor().routes_applied.remote, pool)
    return path


def models_pattern(spec: Spec) -> str:
    """A pattern that fits all models of a spec."""
    return re.sub(r"\{[^}]*\}", "*", spec.name)
