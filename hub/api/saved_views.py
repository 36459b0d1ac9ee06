"""What the API answers to who saves documents: how they now stand, and what there is to be said of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hub.api.views import ConfigurationView, View, WebhookSourceView
from hub.configure.warnings import WarningCode
from hub.model.configuration import Action, EventGridSource, EventType, ScheduleSource, SinkType


class Warned(View):
    """Something that was taken and will hardly be meant."""

    document: str
    """`event-types/DISK_CLEANUP`."""
    code: WarningCode
    message: str


class SavedSinkType(SinkType):
    """A sink type, and what there is to be said of it."""

    warnings: list[Warned]


class SavedAction(Action):
    """An action, and what there is to be said of the event types that run it."""

    warnings: list[Warned]


class SavedEventType(EventType):
    """An event type, and what there is to be said of it."""

    warnings: list[Warned]


class SavedWebhook(WebhookSourceView):
    """A webhook, and what there is to be said of it."""

    warnings: list[Warned]


class SavedSchedule(ScheduleSource):
    """A schedule, and what there is to be said of it."""

    warnings: list[Warned]


class SavedEventGrid(EventGridSource):
    """A source of Event Grid, and what there is to be said of it."""

    warnings: list[Warned]


SavedSource = Annotated[SavedWebhook | SavedSchedule | SavedEventGrid, Field(discriminator="kind")]
"""A source as it is answered to who saved it."""


class MissingSecret(View):
    """A secret that documents name and that is not there."""

    name: str
    named_by: list[str]


class Applied(View):
    """What an import did, as `event-types/DISK_CLEANUP`."""

    created: list[str]
    changed: list[str]
    unchanged: list[str]
    missing_secrets: list[MissingSecret]
    """What has to be put before the documents that name it can run."""
    warnings: list[Warned]


class Planned(Applied):
    """What an import would do, and has not done; of its documents how they stand and how they would."""

    version: str
    """Of the configuration; to be sent in If-Match, in double quotes, by who then imports."""
    before: ConfigurationView
    after: ConfigurationView
