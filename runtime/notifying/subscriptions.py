"""Who hears of what, as an operator writes it: channels, and subscriptions that lead to them.

    link: https://fleetward.example.com/console     # what links begin with
    channels:
      - name: ops
        webhook: https://hooks.example.com/fleetward
        secret_file: /etc/fleetward/ops.secret      # mode 0600; what signatures are made with
      - name: planners
        apprise_file: /etc/fleetward/planners.urls  # mode 0600; mailtos://..., slack://..., one a line
    subscriptions:
      - {to: ops, severity: critical}
      - {to: planners, kinds: [finding_*, verdict_reached], models: ["eta-*"], owners: [planning], digest: 1d}

A secret never stands in this file. A subscription without ``kinds`` is to all that asks for somebody: to warnings and
worse.
"""

from __future__ import annotations

from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Self, get_args
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, model_validator

from runtime.domain.base import Document
from runtime.domain.events import Event
from runtime.domain.load import parse_document, text_of
from runtime.domain.misfit import misfit
from runtime.domain.terms import Duration
from runtime.domain.tokens import ModelPattern, fits
from runtime.notifying.severity import Severity

KINDS: frozenset[str] = frozenset(
    kind.model_fields["kind"].default for kind in get_args(get_args(Event)[0]) if "kind" in kind.model_fields
)
"""Kinds of entries that there are."""

ChannelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
_SCHEMES = frozenset({"http", "https"})


class Channel(Document):
    """A way out: ``attempts`` tries of at most ``timeout`` each, ``backoff`` apart and twice as far after each.

    ``private_networks``: whether a webhook may lead to a loopback, link-local or private address.
    """

    name: ChannelName
    webhook: str | None = None
    secret_file: Path | None = None
    apprise_file: Path | None = None
    private_networks: bool = False
    timeout: Duration = timedelta(seconds=10)
    attempts: Annotated[int, Field(ge=1, le=50)] = 8
    backoff: Duration = timedelta(seconds=2)

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        if (self.webhook is None) == (self.apprise_file is None):
            raise misfit(
                "", "both webhook and apprise_file, or neither", "either webhook, with secret_file, or apprise_file"
            )
        if self.webhook is not None:
            self._check_webhook(self.webhook)
        if not timedelta(milliseconds=100) <= self.timeout <= timedelta(minutes=5):
            raise misfit("timeout", f"{self.timeout.total_seconds():g}s", "100 ms to five minutes")
        return self

    def _check_webhook(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.hostname or parts.username or parts.password:
            raise misfit("webhook", repr(url), "an http or https URL without a password in it")
        if self.secret_file is None:
            raise misfit("secret_file", "nothing", "the file of the secret that signatures are made with")


class Subscription(Document):
    """What goes to a channel: all of its conditions must hold. ``digest``: gathered, and told once in so long."""

    to: ChannelName
    kinds: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    severity: Severity | None = None
    models: Annotated[tuple[ModelPattern, ...], Field(min_length=1)] | None = None
    owners: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    digest: Duration | None = None

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        for pattern in self.kinds or ():
            if not any(fnmatchcase(kind, pattern) for kind in KINDS):
                raise misfit("kinds", repr(pattern), "a kind of entry, such as finding_opened or rollout_*")
        if self.digest is not None and self.digest < timedelta(seconds=1):
            raise misfit("digest", f"{self.digest.total_seconds():g}s", "a second at least")
        return self

    def takes(self, kind: str, severity: Severity, model: str | None, owners: frozenset[str]) -> bool:
        """Whether such an entry is for it. One that is about no model fits no model pattern and no owner."""
        if self.kinds is not None and not any(fnmatchcase(kind, pattern) for pattern in self.kinds):
            return False
        least = self.severity or (Severity.WARNING if self.kinds is None else Severity.INFO)
        if severity.rank < least.rank:
            return False
        if self.models is not None and (model is None or not fits(model, self.models)):
            return False
        return self.owners is None or not owners.isdisjoint(self.owners)


class Notify(Document):
    """The whole file."""

    link: str = ""
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    subscriptions: Annotated[tuple[Subscription, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = [channel.name for channel in self.channels]
        if len(set(names)) != len(names):
            raise misfit("channels", ", ".join(names), "distinct names")
        for place, each in enumerate(self.subscriptions):
            if each.to not in names:
                raise misfit(f"subscriptions.{place}.to", repr(each.to), f"one of {', '.join(sorted(names))}")
        return self

    def channel(self, name: str) -> Channel | None:
        """By its name."""
        return next((each for each in self.channels if each.name == name), None)


def load_notify(path: Path) -> Notify:
    """Raises ``SpecError``, naming line, place, what was found and what was expected."""
    return parse_document(text_of(path), str(path), Notify, "channels and subscriptions")
