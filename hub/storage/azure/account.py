"""A storage account: where its services answer, and as whom we ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from hub.errors import Invalid

if TYPE_CHECKING:
    from azure.identity.aio import ManagedIdentityCredential


@dataclass(frozen=True, slots=True)
class Endpoints:
    """An account addressed by its services, asked as a managed identity; `client_id` if that is a user-assigned one."""

    table: str
    queue: str
    blob: str
    client_id: str | None = None

    @classmethod
    def of_account(cls, name: str, client_id: str | None = None) -> Self:
        """The endpoints of an account of this name in the public cloud."""
        table, queue, blob = (f"https://{name}.{service}.core.windows.net" for service in ("table", "queue", "blob"))
        return cls(table, queue, blob, client_id)

    def check(self) -> None:
        """Raises `Invalid` unless every endpoint is an https address: a token travels over nothing else."""
        for service, url in (("table", self.table), ("queue", self.queue), ("blob", self.blob)):
            if not url.startswith("https://"):
                raise Invalid(f"The {service} endpoint {url!r} does not start with https://.")


S = TypeVar("S")


class Account:
    """Makes the SDKs' service clients, from a connection string or from endpoints and the identity we run as."""

    def __init__(self, address: str | Endpoints) -> None:
        """Asks nobody. Raises `Invalid` if the endpoints cannot be used."""
        self._address = address
        self._credential: ManagedIdentityCredential | None = None
        if isinstance(address, Endpoints):
            address.check()
            self._credential = _managed_identity(address.client_id)

    def table_service(self, client: type[S], **options: Any) -> S:
        """A client of the table service. Raises `Invalid` for an unusable connection string, as the other two do."""
        return self._service(client, "table", options)

    def queue_service(self, client: type[S], **options: Any) -> S:
        return self._service(client, "queue", options)

    def blob_service(self, client: type[S], **options: Any) -> S:
        return self._service(client, "blob", options)

    def _service(self, client: type[S], service: str, options: dict[str, Any]) -> S:
        make = cast(Any, client)  # the three SDKs' classes are alike, but have no type in common
        try:
            if isinstance(self._address, Endpoints):
                return cast(S, make(getattr(self._address, service), credential=self._credential, **options))
            return cast(S, make.from_connection_string(self._address, **options))
        except ValueError:
            # Without the SDK's words about it, which might quote it: a connection string is a secret.
            raise Invalid(f"The storage address does not tell where the {service} service is.") from None

    async def close(self) -> None:
        """Let go of the identity's connections."""
        if self._credential is not None:
            await self._credential.close()


def _managed_identity(client_id: str | None) -> ManagedIdentityCredential:
    from azure.identity.aio import ManagedIdentityCredential  # a fifth of a second to import, and only for this

    return ManagedIdentityCredential(client_id=client_id)
