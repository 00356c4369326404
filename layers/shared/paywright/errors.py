"""The one tree of errors that leaves the API: each class's docstring is its message."""

from __future__ import annotations

from typing import Any, ClassVar


class PaywrightError(Exception):
    """Something went wrong on our side; it is logged and we look at it."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    type: ClassVar[str] = "api_error"

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        decline_code: str | None = None,
        payment_id: str | None = None,
        retry_after_s: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.message = message or " ".join((type(self).__doc__ or "").split())
        super().__init__(self.message)
        self.param = param
        self.decline_code = decline_code
        self.payment_id = payment_id
        self.retry_after_s = retry_after_s
        self.headers = headers or {}

    def body(self, request_id: str) -> dict[str, Any]:
        """The JSON body that conventions fix; absent fields are left out."""
        fields = {
            "type": type(self).type,
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "decline_code": self.decline_code,
            "payment_id": self.payment_id,
            "request_id": request_id,
            "doc_url": f"https://github.com/paywright/paywright/blob/main/docs/errors.md#{self.code}",
        }
        return {"error": {key: value for key, value in fields.items() if value is not None}}


class InvalidRequest(PaywrightError):
    """The request is not valid."""

    status, type = 400, "invalid_request_error"


class MalformedJson(InvalidRequest):
    """The body is not valid JSON in UTF-8, without a byte order mark."""

    code = "malformed_json"


class InvalidField(InvalidRequest):
    """A field is missing, unknown or has a value that is not allowed; `param` names it."""

    code = "invalid_field"


class UnknownCurrency(InvalidRequest):
    """The currency is not an ISO 4217 code that can be charged."""

    code = "unknown_currency"


class AmountOutOfRange(InvalidRequest):
    """The amount must be a positive integer in the currency's minor unit, at most 99999999999."""

    code = "amount_out_of_range"


class IdempotencyKeyMissing(InvalidRequest):
    """Send an Idempotency-Key header of 1 to 255 characters, so that a retry charges only once."""

    code = "idempotency_key_missing"


class IdempotencyKeyInvalid(InvalidRequest):
    """An Idempotency-Key has 1 to 255 printable ASCII characters."""

    code = "idempotency_key_invalid"


class IdempotencyKeyReused(PaywrightError):
    """This Idempotency-Key came before with another request; use a new key for a new request."""

    status, code, type = 400, "idempotency_key_reused", "idempotency_error"


class IdempotencyKeyInProgress(PaywrightError):
    """A request with this Idempotency-Key is still being processed; try again in a moment."""

    status, code, type = 409, "idempotency_key_in_progress", "idempotency_error"


class ApiKeyMissing(PaywrightError):
    """Send your API key as `Authorization: Bearer sk_…`; Basic authentication is not taken."""

    status, code, type = 401, "api_key_missing", "authentication_error"


class ApiKeyInvalid(PaywrightError):
    """This API key is unknown or was revoked."""

    status, code, type = 401, "api_key_invalid", "authentication_error"


class MerchantNotActive(PaywrightError):
    """This merchant is suspended or closed."""

    status, code, type = 403, "merchant_not_active", "permission_error"


class PaymentMethodDeclined(InvalidRequest):
    """The payment method was declined; `decline_code` says why."""

    status, code = 402, "payment_method_declined"


class CardDeclined(PaymentMethodDeclined):
    """The card was declined."""

    code, type = "card_declined", "card_error"


class CardRefused(InvalidRequest):
    """The card's data is not valid."""

    status, code, type = 402, "invalid_card", "card_error"


class NotFound(InvalidRequest):
    """There is no such object."""

    status, code = 404, "not_found"


class PaymentNotCapturable(InvalidRequest):
    """Only an authorized payment can be captured."""

    status, code = 409, "payment_not_capturable"


class AuthorizationExpired(InvalidRequest):
    """The authorization has expired: its hold can be captured no more."""

    status, code = 409, "authorization_expired"


class PaymentNotVoidable(InvalidRequest):
    """Only an authorized payment can be voided; give back what was captured with a refund."""

    status, code = 409, "payment_not_voidable"


class PaymentNotRefundable(InvalidRequest):
    """Only a captured payment can be refunded."""

    status, code = 409, "payment_not_refundable"


class OperationInProgress(InvalidRequest):
    """Another operation on this payment is not decided yet."""

    status, code = 409, "operation_in_progress"


class CustomerExists(InvalidRequest):
    """A customer with this external_id exists already."""

    status, code = 409, "customer_exists"


class MerchantExists(InvalidRequest):
    """A merchant with this e-mail address exists already."""

    status, code = 409, "merchant_exists"


class WebhookEndpointLimitReached(InvalidRequest):
    """There are 100 webhook endpoints already; delete one, or have one receive for several."""

    status, code = 409, "webhook_endpoint_limit_reached"


class WebhookEndpointDisabled(InvalidRequest):
    """This webhook endpoint is disabled; enable it first."""

    status, code = 409, "webhook_endpoint_disabled"


class EventNotKept(InvalidRequest):
    """The event of this delivery is older than events are kept; it cannot be sent again."""

    status, code = 409, "event_not_kept"


class CaptureExceedsAuthorization(InvalidRequest):
    """The amount to capture is more than what is left of the authorization."""

    code = "capture_exceeds_authorization"


class RefundExceedsCapture(InvalidRequest):
    """The amount to refund is more than what is left of the captured amount."""

    code = "refund_exceeds_capture"


class BodyTooLarge(InvalidRequest):
    """The body is larger than 1 MB."""

    status, code = 413, "body_too_large"


class NotJson(InvalidRequest):
    """Send the body as JSON, with `Content-Type: application/json`."""

    status, code = 415, "content_type_not_json"


class RateLimited(PaywrightError):
    """Too many requests; slow down and try again after the time in Retry-After."""

    status, code, type = 429, "rate_limited", "rate_limit_error"


class ProcessorUnavailable(PaywrightError):
    """The payment processor is not available; nothing was charged. Try again later."""

    status, code = 503, "processor_unavailable"


class FxRateUnavailable(PaywrightError):
    """There is no exchange rate for this currency pair now; nothing was done."""

    status, code = 503, "fx_rate_unavailable"


class FxQuoteExpired(InvalidRequest):
    """The quote has expired; ask for a new one."""

    status, code = 409, "fx_quote_expired"


class FxQuoteMismatch(InvalidRequest):
    """The quote is for another pair of currencies than this payment needs."""

    code = "fx_quote_mismatch"


class ServiceUnavailable(PaywrightError):
    """A part of the platform is not available; nothing new was charged. Retry with the same key."""

    status, code = 503, "service_unavailable"


def catalogue() -> list[type[PaywrightError]]:
    """Every error that can leave the API, by code: what `docs/errors.md` is made from."""
    found: dict[str, type[PaywrightError]] = {}

    def visit(error: type[PaywrightError]) -> None:
        if error is not InvalidRequest and error.__module__ == __name__:
            found[error.code] = error
        for child in error.__subclasses__():
            visit(child)

    visit(PaywrightError)
    return [found[code] for code in sorted(found)]
