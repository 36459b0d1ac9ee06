"""`/api/modules`: bundles, the code that the hub hands out to sinks. Their bytes go in, and out to sinks alone."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse

from hub.api.cursors import Cursor, Limit, page
from hub.api.security import Desk, GuardedRoute, check_transfer, person_of
from hub.api.views import Time, View
from hub.audit.attempt import intend
from hub.model.bundle import Bundle

router = APIRouter(route_class=GuardedRoute, tags=["modules"])

TAKES: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    }
}
Signature = Annotated[
    str | None,
    Header(
        alias="Nexomatic-Signature",
        description="The key's id, a colon, and the Ed25519 signature of `nexomatic-bundle sha256:DIGEST` as base64",
    ),
]


class ModuleView(View):
    """A bundle: what it is, and not its bytes."""

    name: str
    """`name@version`, as actions name it in `bundle`."""
    digest: str
    """SHA-256 of the zip."""
    size: int
    """Bytes of the zip."""
    files: int
    unpacked: int
    """Bytes of its files."""
    key_id: str | None
    """Of the key that signed it; null: it is not signed."""
    uploaded_at: Time
    uploaded_by: str


class ModuleList(View):
    items: list[ModuleView]
    cursor: str | None


@router.get("/api/modules")
async def list_modules(desk: Desk, cursor: Cursor = None, limit: Limit = 100) -> ModuleList:
    """Bundles by name."""
    found, following = page(desk.cursors, "modules", await desk.bundles.list(), lambda each: each.name, cursor, limit)
    return ModuleList(items=[_view(each) for each in found], cursor=following)


@router.get("/api/modules/{name}")
async def read_module(desk: Desk, name: str) -> ModuleView:
    """One bundle."""
    return _view(await desk.bundles.get(name))


@router.put("/api/modules/{name}", response_model=ModuleView, openapi_extra=TAKES)
async def put_module(desk: Desk, request: Request, name: str, signature: Signature = None) -> Response:
    """Keep a zip as name@version. The same bytes again change nothing but the signature; others are refused."""
    data = await request.body()
    check_transfer(request, data)
    await intend()  # before the bytes lie anywhere; what stands before and after is told by the configuration's write
    pushed = await desk.bundles.push(name, data, signature, person_of(request).name)
    return JSONResponse(_view(pushed.bundle).model_dump(mode="json"), 201 if pushed.created else 200)


@router.delete("/api/modules/{name}", status_code=204)
async def delete_module(desk: Desk, name: str) -> None:
    """Remove it. One that actions name stays: 409 with the list."""
    await desk.bundles.delete(name)


def _view(bundle: Bundle) -> ModuleView:
    return ModuleView(**bundle.model_dump(exclude={"signature", "blob"}), key_id=bundle.key_id)
