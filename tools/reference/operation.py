"""How a route is described beyond its models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from paywright import errors
from paywright.errors import PaywrightError

Schema = dict[str, Any]

_EVERYWHERE = (
    errors.ApiKeyMissing,
    errors.ApiKeyInvalid,
    errors.MerchantNotActive,
    errors.RateLimited,
    errors.PaywrightError,
    errors.ServiceUnavailable,
)
_WITH_BODY = (
    errors.MalformedJson,
    errors.InvalidField,
    errors.BodyTooLarge,
    errors.NotJson,
)
_WITH_KEY = (
    errors.IdempotencyKeyInvalid,
    errors.IdempotencyKeyReused,
    errors.IdempotencyKeyInProgress,
)


@dataclass(frozen=True)
class Body:
    """A request's body. `limits` are those that the service checks and the model does not show.

    With `takes_key` an Idempotency-Key is honoured, as on every POST.
    """

    model: type[BaseModel]
    examples: Mapping[str, Any]
    required: bool = True
    key_required: bool = False
    takes_key: bool = True
    limits: Mapping[str, Schema] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """One route. `id_prefix` is the kind of object that `{id}` in its path names."""

    endpoint: Any
    status: int
    returns: type
    example: Any
    refuses: tuple[type[PaywrightError], ...] = ()
    body: Body | None = None
    id_prefix: str | None = None
    query: tuple[Schema, ...] = ()

    @property
    def errors(self) -> tuple[type[PaywrightError], ...]:
        """Every error that this route can answer with."""
        with_body = _WITH_BODY if self.body else (errors.InvalidField,) if self.query else ()
        return (*_EVERYWHERE, *with_body, *(_WITH_KEY if self.takes_key else ()), *self.refuses)

    @property
    def takes_key(self) -> bool:
        """Whether it honours an Idempotency-Key."""
        return self.body is not None and self.body.takes_key
