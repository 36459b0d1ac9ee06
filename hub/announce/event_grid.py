"""A custom topic of Azure Event Grid, told in CloudEvents 1.0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from azure.core.exceptions import AzureError
from azure.core.messaging import CloudEvent

from hub.errors import Unavailable
from hub.rules.announcing import Announcement

TYPE_PREFIX = "nexomatic.event."
"""Types are `nexomatic.event.queued`, `.running`, `.success`, `.warning`, `.error`."""
ANSWER_SECONDS = 15
CONNECT_SECONDS = 5


class EventGridTopic:
    """Publishes as the managed identity of the hub, or with the topic's key."""

    def __init__(self, endpoint: str, key: str | None, source: str) -> None:
        """`source` names this hub in every event: its public address."""
        from azure.eventgrid.aio import EventGridPublisherClient  # only a hub with a topic pays for the import

        self._source = source
        self._identity: Any = None
        self._client = EventGridPublisherClient(
            endpoint, self._credential(key), connection_timeout=CONNECT_SECONDS, read_timeout=ANSWER_SECONDS,
            retry_total=1, logging_enable=False,
        )  # fmt: skip

    async def publish(self, announcements: Sequence[Announcement]) -> None:
        try:
            await self._client.send([cloud_event(each, self._source) for each in announcements])
        except AzureError as error:
            # Its own words may hold the answer's body; what kind of failure it was is enough for the log.
            raise Unavailable(f"the topic took no events: {type(error).__name__}") from error

    async def close(self) -> None:
        await self._client.close()
        if self._identity is not None:
            await self._identity.close()

    def _credential(self, key: str | None) -> Any:
        if key is not None:
            from azure.core.credentials import AzureKeyCredential

            return AzureKeyCredential(key)
        from azure.identity.aio import ManagedIdentityCredential

        self._identity = ManagedIdentityCredential()
        return self._identity


def cloud_event(announcement: Announcement, source: str) -> CloudEvent[dict[str, Any]]:
    """One change as others read it."""
    return CloudEvent(
        id=announcement.id,
        source=source,
        type=TYPE_PREFIX + announcement.state.lower(),
        subject=f"events/{announcement.event_id}",
        time=announcement.at,
        data={
            "event_id": announcement.event_id,
            "event_type": announcement.event_type,
            "state": announcement.state.value,
            "attempt": announcement.attempt,
            "sink": announcement.sink,
            "result_code": announcement.result_code,
            "source_kind": announcement.source_kind,
            "source": announcement.source,
            "root_id": announcement.root_id,
            "parent_id": announcement.parent_id,
            "correlation_id": announcement.correlation_id,
        },
    )
