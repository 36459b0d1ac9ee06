"""`/api/docs`: a page that shows the OpenAPI document. It is served from here and loads nothing from anywhere else.

The page itself says nothing of this hub: the document is read by the page, as who is signed in or bears a token.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Response

from hub.api.security import GuardedRoute

router = APIRouter(route_class=GuardedRoute)

_FOLDER: Final = Path(__file__).with_name("docs_page")
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_HEADERS: Final = {"Content-Security-Policy": _POLICY}


@cache
def _file(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


@router.get("/api/docs", include_in_schema=False)
async def docs() -> Response:
    """This API, for people."""
    return Response(_file("page.html"), media_type="text/html", headers=_HEADERS)


@router.get("/api/docs/page.js", include_in_schema=False)
async def docs_script() -> Response:
    """What makes the page of the OpenAPI document."""
    return Response(_file("page.js"), media_type="text/javascript", headers=_HEADERS)


@router.get("/api/docs/page.css", include_in_schema=False)
async def docs_style() -> Response:
    """How the page looks."""
    return Response(_file("page.css"), media_type="text/css", headers=_HEADERS)
