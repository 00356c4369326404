"""POST /v1/payments: charge a payment method, or hold an amount on it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from paywright.errors import InvalidField
from paywright.http.fields import Metadata, RequestModel, Text
from paywright.http.function import ApiFunction
from paywright.http.messages import Request, Response, money_of
from paywright.ids import parse_typeid
from paywright.payments.authorize import Authorize, authorize
from paywright.payments.models import Answer, Caller, RequestContext
from paywright.payments.states import CaptureMethod
from paywright.wiring import platform

handler = ApiFunction()


class CreatePayment(RequestModel):
    """The body of the request. `amount` is in the currency's minor unit.

    `capture: false` holds the amount for one capture, `capture_method: "manual_multiple"` for
    several. `off_session` says that the customer is not there: the hold may last less long.
    """

    amount: int
    currency: str
    payment_method_id: str
    customer_id: str | None = None
    capture: bool = True
    capture_method: Literal["automatic", "manual", "manual_multiple"] | None = None
    off_session: bool = False
    fx_quote_id: str | None = None
    description: Text | None = None
    metadata: Metadata = Field(default_factory=dict)


@handler.post("/v1/payments")
def create_payment(request: Request) -> Response:
    """Authorize, and capture unless `capture` is false."""
    services = platform().payments

    def serve(caller: Caller, context: RequestContext) -> Answer:
        body = request.parse(CreatePayment)
        method_id = parse_typeid("pm", body.payment_method_id)
        if method_id is None:
            raise InvalidField("This is no payment method's id.", param="payment_method_id")
        customer_id = None if body.customer_id is None else parse_typeid("cus", body.customer_id)
        if body.customer_id is not None and customer_id is None:
            raise InvalidField("This is no customer's id.", param="customer_id")
        quote_id = None if body.fx_quote_id is None else parse_typeid("fxq", body.fx_quote_id)
        if body.fx_quote_id is not None and quote_id is None:
            raise InvalidField("This is no quote's id.", param="fx_quote_id")
        wanted = Authorize(
            amount=money_of(body.amount, body.currency),
            payment_method_id=method_id,
            customer_id=customer_id,
            capture_method=_capture_method(body),
            off_session=body.off_session,
            fx_quote_id=quote_id,
            description=body.description,
            metadata=body.metadata,
        )
        return authorize(services, caller, wanted, context)

    return platform().gate.serve(request, serve, key_required=True)


def _capture_method(body: CreatePayment) -> CaptureMethod:
    """What `capture` and `capture_method` say together; they must not contradict each other."""
    if body.capture_method is None:
        return CaptureMethod.AUTOMATIC if body.capture else CaptureMethod.MANUAL
    asked = CaptureMethod(body.capture_method)
    if "capture" in body.model_fields_set and body.capture != (asked is CaptureMethod.AUTOMATIC):
        raise InvalidField("`capture` contradicts `capture_method`.", param="capture_method")
    return asked
