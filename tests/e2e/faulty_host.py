"""The local host with a hub that has bugs: what it was called with is in the words of what it raises.

A request whose body, query or header says `explode` meets them: in the call itself, in an error behind it, in a task
that nobody waits for, and in a library.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

from tests.size import counted_host

MARK = "explode"


def _plant(owner: type, name: str) -> None:
    method = getattr(owner, name)

    async def exploding(self: object, *arguments: Any, **named: Any) -> Any:
        said = repr((arguments, named))
        if MARK in said:
            _never_waited_for(said)
            logging.getLogger("hub.planted").warning("it is because of %s", ConnectionError(said))
            logging.getLogger("aiohttp.client").error("could not ask\n%s", said)
            try:
                raise ValueError(said)
            except ValueError as error:
                raise RuntimeError(said + "\nERROR forged") from error
        return await method(self, *arguments, **named)

    setattr(owner, name, exploding)


def _never_waited_for(said: str) -> None:
    async def fail() -> None:
        raise OSError(said)

    asyncio.get_running_loop().create_task(fail())


def main() -> int:
    """Serve."""
    from hub.people.identity import Identity
    from hub.people.local_sign_in import LocalSignIn
    from hub.sources.eventgrid import EventGrid
    from hub.sources.webhook import Webhooks

    for owner, name in ((Webhooks, "receive"), (Identity, "of"), (LocalSignIn, "sign_in"), (EventGrid, "receive")):
        _plant(owner, name)
    return counted_host.main()


if __name__ == "__main__":
    sys.exit(main())
