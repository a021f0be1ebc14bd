"""Who looks at the console, between one page and the next.

    cookie    a random name, HttpOnly, SameSite=Strict, of this path alone; Secure where TLS is spoken
    session   the credential that was pasted, in this process alone, under the SHA-256 of the cookie
    form      HMAC-SHA256 of the cookie under a secret of this process: what another site's form cannot know

The cookie holds nothing of the credential, and whoever reads this process's list of sessions holds no cookie. A new
name is given at each login, so that one that somebody planted before is worth nothing. A process that restarts has
forgotten all sessions: people paste their key again.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

COOKIE = "fleetward-console"
LASTS_SECONDS = 12 * 3600.0
IDLE_SECONDS = 2 * 3600.0
MOST = 10_000


@dataclass(slots=True)
class _Session:
    credential: str
    ends: float
    seen: float


class Sessions:
    """Belongs to the event loop; at most ``most`` at once, the oldest ends first."""

    def __init__(self, *, elapsed: Callable[[], float] = time.monotonic, most: int = MOST) -> None:
        self._elapsed, self._most = elapsed, most
        self._secret = secrets.token_bytes(32)
        self._held: dict[bytes, _Session] = {}

    def __len__(self) -> int:
        return len(self._held)

    @staticmethod
    def new_name() -> str:
        """A cookie that nobody can guess."""
        return secrets.token_urlsafe(32)

    def begin(self, credential: str) -> str:
        """The cookie of a new session."""
        name, now = self.new_name(), self._elapsed()
        self._held = {key: held for key, held in self._held.items() if self._lasts(held, now)}
        while len(self._held) >= self._most:
            del self._held[next(iter(self._held))]
        self._held[_key(name)] = _Session(credential, now + LASTS_SECONDS, now)
        return name

    def credential(self, name: str) -> str | None:
        """The credential of a session that lasts."""
        held, now = self._held.get(_key(name)), self._elapsed()
        if held is None:
            return None
        if not self._lasts(held, now):
            del self._held[_key(name)]
            return None
        held.seen = now
        return held.credential

    def end(self, name: str) -> None:
        """The cookie is worth nothing from now on."""
        self._held.pop(_key(name), None)

    def form_key(self, name: str) -> str:
        """What each form of a page carries that was made for this cookie."""
        return hmac.new(self._secret, name.encode(), sha256).hexdigest()

    def is_form_key(self, name: str, given: str) -> bool:
        """Whether a form was made for this cookie, by this process."""
        return bool(name) and hmac.compare_digest(self.form_key(name).encode(), given.encode("utf-8", "replace"))

    @staticmethod
    def _lasts(held: _Session, now: float) -> bool:
        return now < held.ends and now - held.seen < IDLE_SECONDS


def _key(name: str) -> bytes:
    return sha256(name.encode("utf-8", "replace")).digest()
