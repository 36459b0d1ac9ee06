"""Commands to sinks: which may be given, whether a poll is answered with it, and how far it has come. Pure.

`drain` and `resume` say how a sink is to be: they stand until the sink comes, however late, whatever its process.
`restart` and `stop` are meant for one process, the one that is there: no other is ever given them, so that a sink
cannot be restarted twice by one command.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from hub.errors import Rejected
from hub.model.sink import Command, CommandState, Order, Presence, Sink, SinkState
from hub.rules import ids
from hub.rules.presence import state_of

EXPIRES_AFTER: Final = timedelta(minutes=15)
"""Of `restart` and `stop`: longer than any sink that is there stays away."""
_STEP: Final = timedelta(milliseconds=1)
OPPOSITE: Final = {Command.DRAIN: Command.RESUME, Command.RESUME: Command.DRAIN}
OF_A_PROCESS: Final = (Command.RESTART, Command.STOP)


def ordered(sink: Sink, order: Order) -> Sink:
    """The sink, once it has been given this."""
    drained = order.command is Command.DRAIN if order.command in OPPOSITE else sink.drained
    return sink.model_copy(update={"order": order, "drained": drained})


def order_of(command: Command, order_id: str, by: str | None, presence: Presence, now: datetime) -> Order:
    """The command as it is kept."""
    if command not in OF_A_PROCESS:
        return Order(id=order_id, command=command, by=by, at=now)
    return Order(
        id=order_id, command=command, by=by, at=now, expires_at=now + EXPIRES_AFTER, instance=presence.instance
    )


def id_after(last: Order | None, now: datetime, randomness: int) -> str:
    """The id of a command that is given now: it sorts behind the last, whatever the clocks of two processes say."""
    behind = ids.time_of(last.id) + _STEP if last is not None and _sorts(last) else now
    return ids.new(max(now, behind), randomness, shards=1)


def check_not_overtaken(name: str, order_id: str, last: Order | None) -> None:
    """A command with an id from when it was first asked for may come late. Raises `Rejected` if another came first."""
    if last is not None and _sorts(last) and order_id < last.id:
        raise Rejected(
            f"since this was first asked for under its Idempotency-Key, the sink {name} was told to {last.command} "
            f"(by {last.by or 'nobody'} at {last.at:%F %T} UTC): see whether it is still wanted, and use another key"
        )


def _sorts(order: Order) -> bool:
    """Whether its id says when it was given: before there were such ids, they were drawn."""
    return len(order.id) == ids.LENGTH


def check_may_be_given(command: Command, sink: Sink, presence: Presence | None, now: datetime) -> Presence:
    """What is known of the sink, if it may be given the command. Raises `Rejected`."""
    if presence is None:
        raise Rejected(f"the sink {sink.name} never came: nobody knows which commands its agent knows")
    if command not in presence.commands:
        known = f"only {', '.join(presence.commands)}" if presence.commands else "no commands"
        hint = ""
        if command is Command.STOP and presence.commands:
            hint = ": where it runs it would be started again. Stop it there, say by scaling its Deployment to 0"
        raise Rejected(f"the agent of the sink {sink.name}, version {presence.version}, knows {known}{hint}")
    if command in OF_A_PROCESS and state_of(presence, now) is SinkState.OFFLINE:
        raise Rejected(f"the sink {sink.name} is OFFLINE: there is no process to {command}")
    waiting = sink.order
    if (
        waiting is not None
        and state_of_order(waiting, presence, now) is CommandState.WAITING
        and command not in (waiting.command, OPPOSITE.get(waiting.command))
    ):
        raise Rejected(
            f"the sink {sink.name} has not taken its last command yet ({waiting.command}, by {waiting.by or 'nobody'} "
            f"at {waiting.at:%F %T} UTC): wait, or cancel it"
        )
    return presence


def is_due(order: Order | None, heard_id: str | None, instance: str, now: datetime) -> bool:
    """Whether a poll of this instance, which says that it heard of that command last, is answered with this one."""
    if order is None or heard_id == order.id or (order.instance is not None and order.instance != instance):
        return False
    return order.expires_at is None or now < order.expires_at


def state_of_order(order: Order, presence: Presence | None, now: datetime) -> CommandState:
    """How far it has come, by what the sink last said."""
    heard = presence.heard if presence is not None else None
    if presence is not None and heard is not None and heard.id == order.id:
        gone = order.command is Command.STOP and state_of(presence, now) is SinkState.OFFLINE
        return CommandState.DONE if gone and heard.state is CommandState.TAKEN else heard.state
    if presence is not None and order.instance not in (None, presence.instance):
        return CommandState.EXPIRED
    if order.expires_at is not None and now >= order.expires_at:
        return CommandState.EXPIRED
    return CommandState.WAITING
