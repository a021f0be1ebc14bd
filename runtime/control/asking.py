"""What every route is given: the fleet's standing, who asks, and how they ask for a page or a moment."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Query, Request

from runtime.control.admission import Admission, Caller
from runtime.control.feed import Feed
from runtime.control.pages import DEFAULT_LIMIT, LARGEST_LIMIT
from runtime.control.repeats import Repeats
from runtime.control.standing import Standing
from runtime.control.wanted import Acting
from runtime.domain.errors import RequestError


@dataclass(frozen=True, slots=True)
class Control:
    """What the routes work with; ``application`` puts it in the application's state."""

    standing: Standing
    admission: Admission
    acting: Acting
    feed: Feed
    repeats: Repeats = field(default_factory=lambda: Repeats(time.monotonic))


def _control(request: Request) -> Control:
    control: Control = request.app.state.control
    return control


async def _caller(request: Request) -> Caller:
    return await _control(request).admission.admit(dict(request.scope["headers"]))


def only_known(request: Request) -> None:
    """Raises ``RequestError`` for what a route does not read of the query: a misspelt filter must not be none."""
    known = {each.alias for each in request.scope["route"].dependant.query_params}
    for name in request.query_params:
        if name not in known:
            raise RequestError("query", repr(name[:40]), ", ".join(sorted(known)) or "nothing")


Asked = Annotated[Control, Depends(_control)]
Who = Annotated[Caller, Depends(_caller)]
Limit = Annotated[int, Query(ge=1, le=LARGEST_LIMIT, description="Items of a page, at most.")]
Cursor = Annotated[str | None, Query(max_length=400, description="What stood as `next` in the page before.")]
AsOf = Annotated[
    int | None, Query(ge=0, le=2**53, description="Tell what was so after this many entries of the ledger.")
]
FIRST_PAGE = DEFAULT_LIMIT
