"""How a webhook's caller proves itself: one model a preset, each with the fields it needs and no others.

Secrets are named, never written here. With `previous_secret` two are valid at once, for as long as a rotation takes.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

SecretName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,127}$")]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]
"""A header's name (RFC 9110, 5.1), in any case."""
Tolerance = Annotated[int, Field(ge=1, le=86_400)]
"""Seconds by which the caller's timestamp may differ from the hub's clock."""
BODY, TIMESTAMP = "{body}", "{timestamp}"
"""The places in what is signed."""


class _Verification(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NoVerification(_Verification):
    """The address alone is asked for."""

    preset: Literal["none"] = "none"

    @property
    def secret_names(self) -> tuple[str, ...]:
        return ()


class _WithSecret(_Verification):
    secret: SecretName
    previous_secret: SecretName | None = None
    """Valid too, while callers move to the new one."""

    @property
    def secret_names(self) -> tuple[str, ...]:
        """The secrets whose values verifying needs, the current one first."""
        return tuple(name for name in (self.secret, self.previous_secret) if name is not None)


class Bearer(_WithSecret):
    """`Authorization: Bearer` and the secret."""

    preset: Literal["bearer"]


class Basic(_WithSecret):
    """`Authorization: Basic`: this user name, and the secret as the password."""

    preset: Literal["basic"]
    username: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^:\x00-\x1f\x7f]+$")]


class Shared(_WithSecret):
    """The secret itself, in a header or a query parameter: for what can send no more, such as Azure Monitor."""

    preset: Literal["shared"]
    header: HeaderName | None = None
    query: Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{1,100}$")] | None = None


class GenericHmac(_WithSecret):
    """A signature of a caller that no preset describes."""

    preset: Literal["hmac"]
    header: HeaderName
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: Annotated[str, Field(max_length=100)] = ""
    """What stands before the signature in its header, such as `sha256=`."""
    key_encoding: Literal["text", "base64", "hex"] = "text"
    """How the key is written in the secret."""
    timestamp_header: HeaderName | None = None
    """Holds seconds since 1970, or a time as RFC 3339."""
    tolerance_seconds: Tolerance = 300
    signs: Annotated[str, Field(min_length=1, max_length=200)] = BODY
    """What is signed, `{body}` and `{timestamp}` standing for themselves: `{timestamp}.{body}`."""


class Standard(_WithSecret):
    """Standard Webhooks (https://www.standardwebhooks.com), also with Svix's names of the headers."""

    preset: Literal["standard"]


class GitHub(_WithSecret):
    """`X-Hub-Signature-256`."""

    preset: Literal["github"]


class GitLab(_WithSecret):
    """`X-Gitlab-Token`."""

    preset: Literal["gitlab"]


class Stripe(_WithSecret):
    """`Stripe-Signature`."""

    preset: Literal["stripe"]
    tolerance_seconds: Tolerance = 300


class Slack(_WithSecret):
    """`X-Slack-Signature`; answers the challenge with which Slack asks whether the address is right."""

    preset: Literal["slack"]
    tolerance_seconds: Tolerance = 300


class Shopify(_WithSecret):
    """`X-Shopify-Hmac-Sha256`."""

    preset: Literal["shopify"]


WithSecret: TypeAlias = Bearer | Basic | Shared | GenericHmac | Standard | GitHub | GitLab | Stripe | Slack | Shopify
Verification: TypeAlias = Annotated[NoVerification | WithSecret, Field(discriminator="preset")]
"""How callers are verified. A preset has no default: a document is stored without defaults, and must keep it."""


class Dedupe(_Verification):
    """One delivery, however often it comes: known by a header or by a part of the request, for so many hours."""

    header: HeaderName | None = None
    path: Annotated[str, Field(min_length=1)] | None = None
    """A JMESPath over `{body, headers, query}`."""
    hours: Annotated[int, Field(ge=1, le=720)] = 24
