"""A request and a response, apart from any framework."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticKnownError

from paywright.errors import (
    AmountOutOfRange,
    BodyTooLarge,
    IdempotencyKeyInvalid,
    IdempotencyKeyMissing,
    InvalidField,
    MalformedJson,
    NotJson,
    PaywrightError,
    UnknownCurrency,
)
from paywright.money import MAX_AMOUNT_MINOR, Currency, Money
from paywright.payments.models import Answer, to_json

ModelT = TypeVar("ModelT", bound=BaseModel)

MAX_BODY_BYTES = 1_000_000
_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$")
# X-Ray's trace id is the same 32 digits, written in two parts.
_XRAY_ROOT = re.compile(r"\bRoot=1-([0-9a-f]{8})-([0-9a-f]{24})\b")
_PRINTABLE = re.compile(r"[\x20-\x7e]{1,255}")
# A caller may put anything where a name or an id belongs, a card number as well.
# Seven digits are less than half of one; what is all digits may be a security code.
_NAME = re.compile(r"(?!(?:[^0-9]*[0-9]){8})[A-Za-z_\[\]][A-Za-z0-9_\[\]-]{0,39}")
_KNOWN = re.compile(r"v1|[a-z_]{0,32}|[a-z]{2,3}_[0-7][0-9a-hjkmnp-tv-z]{25}")


@dataclass(frozen=True)
class Request:
    """One request; header names are lower-case. What it says is read once."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    request_id: str
    source_ip: str | None

    @cached_property
    def trace_id(self) -> str:
        """The caller's W3C trace id, or the gateway's, or one made from the request's own id."""
        if match := _TRACEPARENT.match(self.headers.get("traceparent", "")):
            return match[1]
        if match := _XRAY_ROOT.search(self.headers.get("x-amzn-trace-id", "")):
            return match[1] + match[2]
        return hashlib.sha256(self.request_id.encode()).hexdigest()[:32]

    @cached_property
    def document(self) -> Any:
        """The body as JSON; raise BodyTooLarge, NotJson, MalformedJson or InvalidField."""
        if len(self.body) > MAX_BODY_BYTES:
            raise BodyTooLarge
        media_type = self.headers.get("content-type", "application/json").partition(";")[0]
        if media_type.strip().lower() != "application/json":
            raise NotJson
        try:
            return _decode(self.body.decode())
        except (ValueError, RecursionError) as error:
            raise MalformedJson from error

    def parse(self, model: type[ModelT], *, optional: bool = False) -> ModelT:
        """The body as a model; raise InvalidField naming the first field that is wrong."""
        document = {} if optional and not self.body else self.document
        try:
            return model.model_validate(document)
        except ValidationError as error:
            raise _invalid_field(error) from None

    def idempotency_key(self, *, required: bool) -> str | None:
        """The Idempotency-Key header; raise IdempotencyKeyMissing or …Invalid."""
        key = self.headers.get("idempotency-key")
        if key is None:
            if required:
                raise IdempotencyKeyMissing
            return None
        if not _PRINTABLE.fullmatch(key):
            raise IdempotencyKeyInvalid
        return key

    @cached_property
    def shown_path(self) -> str:
        """The path as it may be written down: whatever is no word and no id of ours is left out."""
        return "/".join(part if _KNOWN.fullmatch(part) else "…" for part in self.path.split("/"))

    def fingerprint(self, key: bytes) -> bytes:
        """HMAC-SHA256 over method, path and the canonical JSON body; none is as good as `{}`.

        It is stored, and a body may be a card: whoever tried all numbers against a digest without
        a key would find it.
        """
        canonical = _canonical(self.document if self.body else {})
        return hmac.digest(key, f"{self.method} {self.path}\n{canonical}".encode(), "sha256")


@dataclass(frozen=True, slots=True)
class Response:
    """One response; the body is JSON text."""

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, answer: Answer, headers: Mapping[str, str]) -> Response:
        """An answer of a service."""
        replayed = {"Idempotent-Replayed": "true"} if answer.replayed else {}
        return cls(answer.status, answer.body, {**headers, **replayed})

    @classmethod
    def of_error(cls, error: PaywrightError, request: Request) -> Response:
        """An error as the conventions fix it."""
        headers = dict(error.headers)
        if error.retry_after_s is not None:
            headers["Retry-After"] = str(error.retry_after_s)
        return cls(type(error).status, to_json(error.body(request.request_id)), headers)

    def with_standard_headers(self, request: Request) -> Response:
        """The same with what every response carries."""
        standard = {
            "Content-Type": "application/json",
            "Request-Id": request.request_id,
            "X-Trace-Id": request.trace_id,
        }
        return Response(self.status, self.body, {**standard, **self.headers})


def shown_name(name: str) -> str:
    """The name of a field or a parameter as it may be repeated; "…" unless it is a short word."""
    return name if _NAME.fullmatch(name) else "…"


def money_of(amount: int, currency: str, *, param: str = "amount") -> Money:
    """An amount as the API takes it; raise UnknownCurrency or AmountOutOfRange."""
    try:
        known = Currency.of(currency)
    except ValueError as error:
        raise UnknownCurrency(param="currency") from error
    check_amount(amount, param=param)
    return Money(amount, known)


def check_amount(amount: int, *, param: str = "amount") -> None:
    """Raise AmountOutOfRange unless an amount can be charged."""
    if not 0 < amount <= MAX_AMOUNT_MINOR:
        raise AmountOutOfRange(param=param)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _once(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object with each field given once: of two, another reader may take the other one."""
    made = dict(fields)
    if len(made) != len(fields):
        times = Counter(name for name, _ in fields)
        param = shown_name(next(name for name in made if times[name] > 1))
        raise InvalidField(f"{param}: is given more than once.", param=param)
    return made


_decode = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_once).decode
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def new_request_id() -> str:
    """A request id where the gateway gave none."""
    return f"req_{secrets.token_hex(12)}"


def _invalid_field(error: ValidationError) -> InvalidField:
    first = error.errors(include_url=False, include_input=False)[0]
    # Parts that are no field's name are what the caller called it, or an index.
    parts = (shown_name(part) if isinstance(part, str) else str(part) for part in first["loc"])
    param = ".".join(parts)
    if not param:
        return InvalidField("The body must be a JSON object, and the names in it Unicode text.")
    reason = _message(first).removeprefix("Value error, ")
    return InvalidField(f"{param}: {reason}.", param=param)


def _message(details: ErrorDetails) -> str:
    """Pydantic's message; of a text that it knows as a mere value it would count the items."""
    kind = {"too_long": "string_too_long", "too_short": "string_too_short"}.get(details["type"])
    if kind is None or details["ctx"]["field_type"] != "Value":
        return details["msg"]
    return PydanticKnownError(kind, details["ctx"]).message()  # type: ignore[arg-type]
