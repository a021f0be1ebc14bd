"""What every route is given: the fleet's standing, who asks, and how they ask for a page or a moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request

from runtime.control.admission import Admission, Caller
from runtime.control.pages import DEFAULT_LIMIT, LARGEST_LIMIT
from runtime.control.standing import Standing


@dataclass(frozen=True, slots=True)
class Control:
    """What the routes work with; ``application`` puts it in the application's state."""

    standing: Standing
    admission: Admission


def _control(request: Request) -> Control:
    control: Control = request.app.state.control
    return control


async def _caller(request: Request) -> Caller:
    return await _control(request).admission.admit(dict(request.scope["headers"]))


Asked = Annotated[Control, Depends(_control)]
Who = Annotated[Caller, Depends(_caller)]
Limit = Annotated[int, Query(ge=1, le=LARGEST_LIMIT, description="Items of a page, at most.")]
Cursor = Annotated[str | None, Query(max_length=400, description="What stood as `next` in the page before.")]
AsOf = Annotated[
    int | None, Query(ge=0, le=2**53, description="Tell what was so after this many entries of the ledger.")
]
FIRST_PAGE = DEFAULT_LIMIT
