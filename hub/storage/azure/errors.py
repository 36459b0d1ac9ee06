"""What the service's answers mean to the hub: the one place that knows its status codes.

A status decides, not the error's code, which the emulator often leaves out. A code is only looked at to tell a missing
row from a missing table, where it is given.

The SDK, like every client that retries, may meet its own success: an insert whose first answer was lost finds the row
(409), a replace finds a new ETag (412). That is not hidden here, because only the caller can tell its own row from
another's: it compares what it wrote (a claim id, a report) with what is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from hub.errors import Changed, Exists, LimitExceeded, Missing, NexomaticError, StaleReceipt, Unavailable
from hub.storage.azure.operations import Operation

_REFUSED = {400: LimitExceeded, 413: LimitExceeded}
_GUARDED = {404: Missing, 412: Changed}

OUTCOMES: Mapping[Operation, Mapping[int, type[NexomaticError]]] = MappingProxyType(
    {
        Operation.TABLE_CREATE: {409: Exists},
        Operation.TABLE_INSERT: {409: Exists, **_REFUSED},
        Operation.TABLE_GET: {404: Missing},
        Operation.TABLE_PUT: _REFUSED,
        Operation.TABLE_REPLACE: {**_GUARDED, **_REFUSED},
        Operation.TABLE_MERGE: {**_GUARDED, **_REFUSED},
        Operation.TABLE_DELETE: _GUARDED,
        Operation.TABLE_TRANSACT: {409: Exists, **_GUARDED, **_REFUSED},
        Operation.QUEUE_CREATE: {409: Exists, 204: Exists},  # 204: it is there already, with the same metadata
        Operation.QUEUE_PUT: {404: Missing, **_REFUSED},
        Operation.QUEUE_RECEIVE: {404: Missing},
        # 404: no such message; 400: its receipt is another's now. Both: somebody else has, or had, the message.
        Operation.QUEUE_UPDATE: {404: StaleReceipt, 400: StaleReceipt, 413: LimitExceeded},
        Operation.QUEUE_DELETE: {404: StaleReceipt, 400: StaleReceipt},
        Operation.QUEUE_DEPTH: {404: Missing},
        Operation.BLOB_CREATE: {409: Exists},
        Operation.BLOB_PUT: _REFUSED,
        Operation.BLOB_GET: {404: Missing},
        Operation.BLOB_DELETE: {404: Missing},
        Operation.BLOB_ADD: {409: Exists, 412: Exists, **_REFUSED},
    }
)
"""What each operation expects to be told. Any other answer is `Unavailable`: the service or its set-up is at fault."""

_NOT_PREPARED = frozenset({"TableNotFound", "TableBeingDeleted", "ContainerNotFound", "ContainerBeingDeleted"})


def translated(error: AzureError, operation: Operation, refused: int | None) -> NexomaticError:
    """The hub's error for what the SDK raised; `refused` as for `no_answer`."""
    if not isinstance(error, HttpResponseError) or error.status_code is None:
        return no_answer(error, operation, refused)
    code = _code(error)
    if isinstance(error, ClientAuthenticationError):  # its status may be the identity's, who had no token for us
        return Unavailable(f"There is no credential that does for {operation} ({error.status_code} {code}).")
    outcome = OUTCOMES.get(operation, {}).get(error.status_code)
    if outcome is None or code in _NOT_PREPARED:
        return Unavailable(f"Storage answered {operation} with {error.status_code} {code}. Try again later.")
    if outcome is LimitExceeded:
        return LimitExceeded(f"Storage refused {operation} with {error.status_code} {code}.")
    return outcome()


def no_answer(error: BaseException, operation: Operation, refused: int | None) -> Unavailable:
    """Nothing came back, or nothing that can be read: what was asked may have happened all the same.

    `refused` is the status of an answer to an attempt before, if there was one.
    """
    before = "" if refused is None else f" Before that it answered {refused}."
    told = f"Storage did not answer {operation} ({type(error).__name__}): it may have happened or not.{before}"
    return Unavailable(told)


def _code(error: HttpResponseError) -> str:
    """The service's own name for the error, if it gave one; never its message, which may quote the request."""
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    given = getattr(error, "error_code", None) or headers.get("x-ms-error-code")
    return str(getattr(given, "value", given) or "without a code")
