"""What a sink may say about an event it holds: secrets, renew, logs, result. Each is fenced by the lease it shows."""

from __future__ import annotations

from hub.life.complete import Completion
from hub.life.context import LifeContext
from hub.life.fetch import Fetch, Piece
from hub.life.lease import Lease, LeaseTokens
from hub.life.logs import Logs
from hub.life.release import Release
from hub.life.renew import Renewal, Renewer
from hub.life.traces import note_lease
from hub.model.event import Content, Outcome, State
from hub.rules import strict_json
from hub.rules.lifecycle import Report
from hub.storage import keys
from hub.wire import Leased, Need, Recorded, Released, Renew, Result, ResultState
from hub.wire import Logs as LogsCall


class AgentCalls:
    """Answers sinks. `sink` is who the credential says is calling; a lease that names another is refused."""

    def __init__(
        self,
        context: LifeContext,
        tokens: LeaseTokens,
        release: Release,
        fetch: Fetch,
        renewer: Renewer,
        completion: Completion,
        logs: Logs,
    ) -> None:
        self._life = context
        self._tokens = tokens
        self._release = release
        self._fetch = fetch
        self._renewer = renewer
        self._completion = completion
        self._logs = logs

    async def secrets(self, sink: str, event_id: str, call: Need, address: str | None = None) -> Released:
        """The values of the secrets this attempt needs. Raises as `Release.release` does, `Invalid`."""
        lease = self._tokens.read(call.token, event_id=event_id, sink=sink)
        note_lease(lease)
        return await self._release.release(lease, address)

    async def bundle(self, sink: str, token: str, digest: str, first: int) -> Piece:
        """A piece of the bundle that this attempt runs. Raises as `Fetch.piece` does, `Invalid`."""
        return await self._fetch.piece(self._tokens.read(token, event_id=None, sink=sink), digest, first)

    async def renew(self, sink: str, event_id: str, call: Renew) -> Leased:
        """One more lease from now. Raises `Superseded` and its kind, `Invalid`."""
        lease = self._tokens.read(call.token, event_id=event_id, sink=sink)
        return self._leased(await self._renewer.renew(lease))

    async def logs(self, sink: str, event_id: str, call: LogsCall) -> Leased:
        """Store a chunk, and renew in the same call when the sink asks for it."""
        lease = self._tokens.read(call.token, event_id=event_id, sink=sink)
        await self._logs.add(lease, call.chunk)
        if call.renew:
            return self._leased(await self._renewer.renew(lease))
        return self._leased(Renewal(lease, watched=False), token=call.token)

    async def result(self, sink: str, event_id: str, call: Result) -> Recorded:
        """Record how the attempt ended. However often it is repeated, it happens once. Raises `TooLarge`."""
        lease = self._tokens.read(call.token, event_id=event_id, sink=sink)
        note_lease(lease)
        if call.state is ResultState.RETURNED:
            await self._completion.hand_back(lease, started=call.started, message=call.message)
        else:
            await self._completion.end(lease, await self._report(lease, call), call.logs)
        return Recorded()

    async def _report(self, lease: Lease, call: Result) -> Report:
        state = State(call.state.value)
        data = await self._data(lease, call)
        return Report(state, Outcome(state.value), call.code, call.message, data)

    async def _data(self, lease: Lease, call: Result) -> Content | None:
        if call.data is None:
            return None
        data = strict_json.encode_bounded(call.data, self._life.terms.max_payload)
        return await self._life.contents.store(keys.RESULTS, f"{lease.event_id}-{lease.claim_id}", data)

    def _leased(self, renewal: Renewal, token: str | None = None) -> Leased:
        lease = renewal.lease
        return Leased(
            token=token or self._tokens.issue(lease), lease_seconds=lease.lease_seconds, watched=renewal.watched
        )
