"""Whose certificates the agent believes: those the machine trusts, or the bundle its owner names."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Optional

from nexomatic_agent.slim_requests import requests


class BadBundle(Exception):
    """The configured certificates cannot be read."""


def trust(ca_bundle: Optional[Path]) -> ssl.SSLContext:
    """One context for all connections: the certificates are read once, not for each. Raises BadBundle.

    `requests` would believe its own list alone, which a company's certificate authority is never on.
    """
    if ca_bundle is not None:
        try:
            return ssl.create_default_context(cafile=str(ca_bundle))
        except (OSError, ssl.SSLError) as error:
            raise BadBundle(f"ca_bundle: {ca_bundle} does not hold certificates: {error}") from None
    folder = ssl.get_default_verify_paths().capath
    if folder is not None and any(Path(folder).glob("*.0")):
        return ssl.create_default_context(capath=folder)  # reads a certificate when it is needed, not all of them
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"]:
        context.load_verify_locations(requests.utils.DEFAULT_CA_BUNDLE_PATH)  # a machine without a list of its own
    return context
