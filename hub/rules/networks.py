"""A list of networks, as admins write it, for what only some callers may use. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from hub.errors import FieldError


def network_errors(networks: Sequence[str], *, front_end: bool) -> Iterator[FieldError]:
    """What is wrong with the field. `front_end`: a setting names who tells the hub its callers' addresses."""
    if networks and not front_end:
        what = (
            "needs the setting NEXOMATIC_FRONT_END: without it the hub does not know who calls, "
            "because every header could be the caller's own; an empty list is allowed"
        )
        yield FieldError("networks", what)
    seen: set[object] = set()
    for index, text in enumerate(networks):
        try:
            network = ipaddress.ip_network(text)
        except ValueError:
            what = "is no network: 192.0.2.0/24, 2001:db8::/32 or a single address is allowed"
            yield FieldError(f"networks[{index}]", what)
            continue
        if network in seen:
            yield FieldError(f"networks[{index}]", "is there already")
        seen.add(network)
