"""The console: a Starlette application to be mounted at ``/api/console``, over an ASGI application that is the API.

    GET   /                    each page, made by asking the API as whoever looks
    POST  /...                 a form: checked to be the console's own, then a command of the API
    GET   /live                the API's own stream of new entries, passed on
    GET   /static/...          one style sheet, one script, one picture

Where the API asks for no credential, nobody logs in; which of both it is, the API is asked.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from runtime.console.web.api import Api, ApiRefused, client_of, passed_on
from runtime.console.web.desk import Act, Desk, MakePage, Page, Visitor
from runtime.console.web.forms import FormRefused, fields_of, require_own
from runtime.console.web.headers import SafeHeaders
from runtime.console.web.pages import ACTIONS, DOWNLOADS, PAGES, Download
from runtime.console.web.rendering import Frame, render
from runtime.console.web.sessions import COOKIE, LASTS_SECONDS, Sessions
from runtime.domain.tokens import Role

PREFIX = "/console"
_SEE_OTHER = 303
_STATIC = Path(__file__).parent / "static"

_log = logging.getLogger(__name__)


def console(api: ASGIApp, *, prefix: str = PREFIX, is_tls: bool = False) -> Starlette:
    """The console over ``api``, which answers ``/v1/...``; ``is_tls`` where a proxy before it speaks TLS."""
    web = Web(api, is_tls=is_tls)
    routes = [
        Route("/", web.page(PAGES["/"])),
        *(Route(path, web.page(make)) for path, make in PAGES.items() if path != "/"),
        *(Route(path, web.action(act), methods=["POST"]) for path, act in ACTIONS.items()),
        *(Route(path, web.download(download)) for path, download in DOWNLOADS.items()),
        Route("/login", web.login_page),
        Route("/login", web.login, methods=["POST"]),
        Route("/logout", web.logout, methods=["POST"]),
        Route("/live", _Live(web)),
        Mount("/static", StaticFiles(directory=_STATIC)),
    ]
    handlers: dict[Any, Any] = {
        ApiRefused: web.refused,
        FormRefused: web.refused,
        HTTPException: web.unanswered,
        Exception: web.failed,
    }
    outer = [Route(prefix, _to_the_front)] if prefix else []
    return Starlette(
        routes=[*outer, Mount(prefix, routes=routes)],
        middleware=[Middleware(SafeHeaders)],
        exception_handlers=handlers,
    )


class Web:
    """What all routes share: the sessions, and the way to the API."""

    def __init__(self, api: ASGIApp, *, is_tls: bool) -> None:
        self.api = api
        self._client = client_of(api)
        self.sessions = Sessions()
        self._is_tls = is_tls

    def asker(self, request: Request) -> Api:
        """The API as whoever has this cookie may ask it."""
        return Api(self._client, self.sessions.credential(_cookie(request)))

    async def visitor(self, request: Request) -> Visitor:
        """Who looks. Raises ``ApiRefused``."""
        told = await self.asker(request).get("/v1/whoami")
        logged_in = self.sessions.credential(_cookie(request)) is not None
        if not logged_in:  # nobody was asked for a credential, so nobody is refused for want of a role
            return Visitor(told["principal"], frozenset(Role), logged_in=False)
        return Visitor(told["principal"], frozenset(map(Role, told["roles"])), logged_in=True)

    async def desk(self, request: Request) -> Desk:
        """Raises ``ApiRefused``."""
        return Desk(request, self.asker(request), await self.visitor(request), _base(request))

    def page(self, make: MakePage) -> Callable[[Request], Awaitable[Response]]:
        """The route of a page."""

        async def shown(request: Request) -> Response:
            desk = await self.desk(request)
            return await self.show(request, await make(desk), desk)

        return shown

    def download(self, download: Download) -> Callable[[Request], Awaitable[Response]]:
        """The route of a file."""

        async def given(request: Request) -> Response:
            return await download(await self.desk(request))

        return given

    def action(self, act: Act) -> Callable[[Request], Awaitable[Response]]:
        """The route of a form."""

        async def acted(request: Request) -> Response:
            fields = await self._own_fields(request)
            desk = await self.desk(request)
            done = await act(desk, fields)
            if done.shown is not None:
                return await self.show(request, done.shown, desk)
            mark = "" if done.entry is None else f"{'&' if '?' in done.then else '?'}done={done.entry}"
            return RedirectResponse(f"{_base(request)}/{done.then}{mark}", _SEE_OTHER)

        return acted

    async def show(self, request: Request, page: Page, desk: Desk | None, status: int = 200) -> Response:
        """The page in its frame. A visitor without a cookie is given one, that forms can be told apart by."""
        name = _cookie(request)
        known = name or self.sessions.new_name()
        counts = {} if desk is None else await _waiting(desk)
        frame = Frame(_base(request), None if desk is None else desk.visitor, self.sessions.form_key(known), counts)
        answer = HTMLResponse(render(page, frame, _done(request)), status)
        if not name:
            self._give(request, answer, known)
        return answer

    # --- logging in and out ------------------------------------------------------------------------

    async def login_page(self, request: Request) -> Response:
        """Asks for a credential."""
        return await self._ask(request, request.query_params.get("next", ""))

    async def login(self, request: Request) -> Response:
        """A session for a credential that the API takes."""
        fields = await self._own_fields(request)
        credential, then = fields.get("credential", ""), fields.get("next", "")
        try:
            _require_header(credential)
            await Api(self._client, credential).get("/v1/whoami")
        except ApiRefused as error:
            return await self._ask(request, then, error.detail, 401 if error.needs_login else error.refused_with)
        self.sessions.end(_cookie(request))
        answer = RedirectResponse(_within(request, then), _SEE_OTHER)
        self._give(request, answer, self.sessions.begin(credential))
        return answer

    async def logout(self, request: Request) -> Response:
        """Ends the session."""
        await self._own_fields(request)
        self.sessions.end(_cookie(request))
        answer = RedirectResponse(f"{_base(request)}/login", _SEE_OTHER)
        answer.delete_cookie(COOKIE, path=_base(request) or "/", httponly=True, samesite="strict")
        return answer

    async def _ask(self, request: Request, then: str, problem: str = "", status: int = 200) -> Response:
        page = Page("login.html.j2", "Log in", "", {"next": then, "problem": problem})
        return await self.show(request, page, None, status)

    async def _own_fields(self, request: Request) -> dict[str, str]:
        """The form, if it is the console's own, made for this browser. Raises ``FormRefused``."""
        require_own(request)
        fields = await fields_of(request)
        if not self.sessions.is_form_key(_cookie(request), fields.pop("form_key", "")):
            raise FormRefused("this form was not made here for you, or is from before a restart: load its page again")
        return fields

    def _give(self, request: Request, answer: Response, name: str) -> None:
        answer.set_cookie(
            COOKIE,
            name,
            max_age=int(LASTS_SECONDS),
            path=_base(request) or "/",
            httponly=True,
            samesite="strict",
            secure=self._is_tls or request.url.scheme == "https",
        )

    # --- what goes wrong ---------------------------------------------------------------------------

    async def refused(self, request: Request, error: Exception) -> Response:
        """A refusal in its own words; whoever must log in is asked to."""
        if isinstance(error, ApiRefused):
            if error.needs_login and request.method == "GET":
                here = request.url.path.removeprefix(_base(request)).lstrip("/")
                query = f"?{request.url.query}" if request.url.query else ""
                return RedirectResponse(f"{_base(request)}/login?next={quote(here + query)}", _SEE_OTHER)
            return await self._problem(request, error.refused_with, error.title, error.detail)
        return await self._problem(request, 403, "Refused", str(error))

    async def unanswered(self, request: Request, error: Exception) -> Response:
        """No such page, or not by this method."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        return await self._problem(request, status, "Not here", f"nothing is at {request.method} {request.url.path}")

    async def failed(self, request: Request, error: Exception) -> Response:
        """An error of the server."""
        _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return await self._problem(request, 500, "It failed", "an error of the server; its log has it")

    async def _problem(self, request: Request, status: int, title: str, detail: str) -> Response:
        page = Page("refused.html.j2", title, "", {"detail": detail, "back": _back(request)})
        try:
            desk: Desk | None = await self.desk(request)
        except ApiRefused:
            desk = None
        return await self.show(request, page, desk, status)


class _Live:
    """The API's stream of the ledger's size, as it comes."""

    def __init__(self, web: Web) -> None:
        self._web = web

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One stream; of the visitor's own credential."""
        request = Request(scope)
        credential = self._web.sessions.credential(_cookie(request))
        await passed_on(self._web.api, "/v1/growth", credential, scope, receive, send)


async def _waiting(desk: Desk) -> dict[str, int]:
    """How much waits for somebody, to stand beside the names of pages."""
    try:
        told: dict[str, int] = await desk.api.get("/v1/waiting")
    except ApiRefused:
        return {}
    return told


async def _to_the_front(request: Request) -> Response:
    return RedirectResponse(f"{request.url.path}/", 308)


def _base(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")


def _cookie(request: Request) -> str:
    return request.cookies.get(COOKIE, "")[:200]


def _done(request: Request) -> int | None:
    """The entry that a form just made: a number and nothing else, since anybody can write a link."""
    text = request.query_params.get("done", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None


def _back(request: Request) -> str:
    """The page that led here, if it is one of the console's."""
    came = urlsplit(request.headers.get("referer", ""))
    here = _base(request)
    own = came.netloc == request.headers.get("host") and came.path.startswith(f"{here}/")
    return came._replace(scheme="", netloc="", fragment="").geturl() if own else f"{here}/"


def _within(request: Request, path: str) -> str:
    """A path of the console, whatever was asked for."""
    base = _base(request)
    split = urlsplit(path)
    if split.scheme or split.netloc or path.startswith(("/", "\\")) or "\\" in path:
        return f"{base}/"
    return f"{base}/{path}"


def _require_header(credential: str) -> None:
    """Raises ``ApiRefused`` for what no header can carry."""
    if not credential or not credential.isascii() or not credential.isprintable():
        raise ApiRefused("/login", 401, "Unauthorized", "that is no key: expected one line of letters and digits")
