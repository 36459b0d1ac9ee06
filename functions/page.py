"""The address of the hub in a browser."""

from __future__ import annotations

from typing import Final

import azure.functions as func

from functions.endpoint import endpoint

pages = func.Blueprint()

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Nexomatic</title>
<h1>Nexomatic</h1>
<p>The hub is running. Its API is described at <a href="/api/docs">/api/docs</a>, and for programs at
/api/openapi.json.</p>
</html>
"""
_HEADERS: Final = {"Cache-Control": "no-cache"}


@pages.route("/", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint
async def home(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the binding's name is part of the contract
    """Where to go from here."""
    return func.HttpResponse(_PAGE, mimetype="text/html", headers=_HEADERS)
