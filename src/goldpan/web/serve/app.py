"""The server's application: routes behind the door, within limits."""

from __future__ import annotations

import re
from importlib.resources import files

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from goldpan import __version__
from goldpan.web.serve import api, clip_api, page
from goldpan.web.serve.errors import handle_errors
from goldpan.web.serve.guard import Guard, SafeHeaders
from goldpan.web.serve.keys import Keys
from goldpan.web.serve.limits import Limits
from goldpan.web.serve.service import Service

_ALL = ("0.0.0.0", "::")  # noqa: S104 what is asked for is looked at


def make_app(service: Service, keys: Keys | None, port: int) -> ASGIApp:
    """Return the application.

    Args:
        service: what answers.
        keys: who may ask; None where anyone may.
        port: it is served at.
    """
    config = service.config
    app: ASGIApp = LikeFlask(Limits(make_routes(service, keys), config))
    named = [*config.allow_host, *([config.host] if config.host and keys else [])]
    app = Guard(app, keys, named, port, addresses=config.host in _ALL)
    if config.public:
        app = CORSMiddleware(app, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
    return SafeHeaders(app, public=config.public)


class LikeFlask:
    """Takes what clip-retrieval takes by way of Flask: HEAD where there is GET, and several slashes for one.

    Its front puts paths that begin with a slash behind the address of the server that ``/config.json`` tells it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http":
            method = "GET" if scope["method"] == "HEAD" else scope["method"]  # uvicorn keeps the body to itself
            scope = {**scope, "method": method, "path": re.sub("//+", "/", scope["path"])}
        await self._app(scope, receive, send)


def make_routes(service: Service, keys: Keys | None) -> FastAPI:
    """Return the routes alone."""
    app = FastAPI(
        title="goldpan serve",
        version=__version__,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service, app.state.keys = service, keys
    handle_errors(app)
    app.include_router(page.router)
    app.include_router(clip_api.router)
    app.include_router(api.router)
    app.mount("/static", StaticFiles(directory=str(files("goldpan.web") / "static")))

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Return that the server is there."""
        return {"status": "ok"}

    return app
