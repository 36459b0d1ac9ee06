"""GitLab: the secret token as it is. (Its newer signing tokens are Standard Webhooks.)"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hub.model.verification import GitLab
from hub.sources.request import Request
from hub.sources.verify.signatures import WRONG_SECRET, check_match, header, raw


def check(_settings: GitLab, secrets: Sequence[str], request: Request, _now: datetime) -> None:
    """Raises `Unverified`."""
    given = header(request, "X-Gitlab-Token")
    check_match([raw(given)], [each.encode() for each in secrets], WRONG_SECRET)
