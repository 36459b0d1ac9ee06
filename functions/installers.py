"""The agent's installers and its package: open to anybody, as they hold nothing that is secret."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Final

import azure.functions as func

from functions.endpoint import endpoint
from hub.process import hub

installers = func.Blueprint()

_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_FIRST: Final = "no-cache"


@installers.route("agent/install.sh", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint
async def agent_install_sh(req: func.HttpRequest) -> func.HttpResponse:
    """For Linux."""
    return await _script(req, "install.sh")


@installers.route("agent/install.ps1", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint
async def agent_install_ps1(req: func.HttpRequest) -> func.HttpResponse:
    """For Windows."""
    return await _script(req, "install.ps1")


@installers.route("agent/package/{version}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint
async def agent_package(req: func.HttpRequest) -> func.HttpResponse:
    """The agent, with what it needs: a zip of wheels, which a version names for ever."""
    here = await hub()
    version = req.route_params["version"]
    found, content = await asyncio.to_thread(here.agent_packages.content, version)
    return _answer(req, content, found.sha256, "application/zip", _FOR_EVER)


async def _script(req: func.HttpRequest, name: str) -> func.HttpResponse:
    here = await hub()
    content = await asyncio.to_thread(here.installers.script, name)
    return _answer(req, content, hashlib.sha256(content).hexdigest(), "text/plain", _ASK_FIRST)


def _answer(req: func.HttpRequest, content: bytes, digest: str, kind: str, caching: str) -> func.HttpResponse:
    headers = {"ETag": f'"{digest}"', "Cache-Control": caching}
    if f'"{digest}"' in req.headers.get("if-none-match", ""):
        return func.HttpResponse(status_code=304, headers=headers)
    return func.HttpResponse(content, headers=headers, mimetype=kind)
