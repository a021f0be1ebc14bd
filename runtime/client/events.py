"""Server-sent events as they come over the wire (WHATWG HTML, 9.2.6), read line by line."""

from __future__ import annotations

import orjson

from runtime.client.calls import Call, get
from runtime.client.told import Entry
from runtime.client.trying import headers_of


class Events:
    """Reads one stream of the control API; ``seen`` is the last entry it told of."""

    def __init__(self) -> None:
        self.seen: int | None = None
        self._data: list[str] = []

    def line(self, text: str) -> Entry | None:
        """The entry that this line completes."""
        if text.startswith("data:"):
            self._data.append(text.removeprefix("data:").removeprefix(" "))
            return None
        if text or not self._data:
            return None
        entry = Entry.model_validate(orjson.loads("\n".join(self._data)))
        self._data, self.seen = [], entry.seq
        return entry

    def begin(self) -> None:
        """A new stream: what the old one did not complete comes again."""
        self._data = []

    def call(self, token: str | None, since: int | None) -> tuple[Call[None], dict[str, str]]:
        """The stream that goes on after what was seen, and the headers to ask for it with."""
        call = get("/v1/watch", lambda _: None, since=since if self.seen is None else None)
        after = {} if self.seen is None else {"last-event-id": str(self.seen)}
        return call, {**headers_of(token, call), "accept": "text/event-stream", **after}
