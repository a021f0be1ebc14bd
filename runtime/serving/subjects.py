"""The keys of data subjects, as a replica has them at hand.

A request that names its subject is recorded under that subject's key, or not answered: where there is no keyring,
nothing is written in the clear instead. Keys are looked up by the keyring's HMAC, so that no name is held longer than
its request lasts.

A key that was looked at within ``TRUSTED_SECONDS`` is used as it is, on the event loop. An older one is looked for
again, in a thread, since that asks the disk. So an erased key is used no longer than that, even while the governor is
away; the long poll takes it out at once (``forget``). What was recorded under it in between cannot be read either.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from runtime.storage.keyring import Keyring
from runtime.storage.keyring_errors import KeyringUnavailable
from runtime.storage.subject_key import SubjectKey

TRUSTED_SECONDS = 1.0
MOST_HELD = 50_000
"""Keys at hand; the one that was used least lately goes first."""


class _Held(NamedTuple):
    key: SubjectKey
    seen_at: float


def no_keyring() -> Keyring:
    """What a replica without a keyring opens. Raises ``KeyringUnavailable``."""
    raise KeyringUnavailable("FLEETWARD_SUBJECTS", "this replica was given no keyring")


class Subjects:
    """Keys of the subjects that this replica met lately. Belongs to one event loop."""

    def __init__(
        self, open_keyring: Callable[[], Keyring] = no_keyring, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``open_keyring`` is called when the first subject is named, and again until it succeeds."""
        self._open, self._clock = open_keyring, clock
        self._keyring: Keyring | None = None
        self._held: OrderedDict[str, _Held] = OrderedDict()

    async def key(self, model: str, subject: str) -> SubjectKey:
        """The subject's key towards the model, made if there is none.

        Raises ``KeyringUnavailable``, ``SubjectKeyDamaged``.
        """
        if self._keyring is None:
            self._keyring = await asyncio.to_thread(self._open)
        keyring, now = self._keyring, self._clock()
        lookup = keyring.lookup(model, subject)
        held = self._held.get(lookup)
        if held is None or now - held.seen_at >= TRUSTED_SECONDS:
            known = None if held is None else held.key
            held = _Held(await asyncio.to_thread(_present, keyring, known, model, subject), now)
            self._held[lookup] = held
        self._held.move_to_end(lookup)
        if len(self._held) > MOST_HELD:
            self._held.popitem(last=False)
        return held.key

    def forget(self, erased: Iterable[str]) -> None:
        """Drop the keys of these pseudonyms."""
        gone = frozenset(erased)
        if gone:
            for lookup in [lookup for lookup, held in self._held.items() if held.key.pseudonym in gone]:
                del self._held[lookup]


def _present(keyring: Keyring, known: SubjectKey | None, model: str, subject: str) -> SubjectKey:
    """The known key while it lives, else the one that is there now."""
    return known if known is not None and keyring.lives(known.pseudonym) else keyring.key(model, subject)
