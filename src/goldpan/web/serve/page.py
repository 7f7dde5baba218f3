"""The search page."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)


@router.get("/")
async def page(request: Request) -> HTMLResponse:
    """Return the search page."""
    import jinja2

    places = jinja2.Environment(loader=jinja2.PackageLoader("goldpan.web"), autoescape=True)
    keep = request.app.state.service.config.keep
    return HTMLResponse(places.get_template("search.html").render(workspace=str(keep or "")))
