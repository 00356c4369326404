"""POST /v1/payments/{id}/capture and …/void: take what was held, or let go of it."""

from __future__ import annotations

from paywright.errors import NotFound
from paywright.http.fields import PartAmount, RequestModel
from paywright.http.function import ApiFunction
from paywright.http.messages import Request, Response, check_amount
from paywright.ids import parse_typeid
from paywright.payments.capture import Capture, capture
from paywright.payments.models import Answer, Caller, RequestContext
from paywright.payments.void import void
from paywright.wiring import platform

handler = ApiFunction()


class CapturePayment(RequestModel):
    """The body of a capture; without an amount all that is held is captured.

    `final` releases the rest of the hold. Only a payment that is captured in parts can keep it.
    """

    amount: PartAmount = None
    final: bool | None = None


class VoidPayment(RequestModel):
    """The body of a void has no fields."""


@handler.post("/v1/payments/<payment_id>/capture")
def capture_payment(request: Request, payment_id: str) -> Response:
    """Capture all or a part; the rest is released unless more captures may follow."""
    services = platform().payments

    def serve(caller: Caller, context: RequestContext) -> Answer:
        body = request.parse(CapturePayment, optional=True)
        if body.amount is not None:
            check_amount(body.amount)
        uuid = parse_typeid("txn", payment_id)
        if uuid is None:
            raise NotFound
        return capture(services, caller, Capture(uuid, body.amount, body.final), context)

    return platform().gate.serve(request, serve)


@handler.post("/v1/payments/<payment_id>/void")
def void_payment(request: Request, payment_id: str) -> Response:
    """Release the hold, or what captures left of it."""
    services = platform().payments

    def serve(caller: Caller, context: RequestContext) -> Answer:
        request.parse(VoidPayment, optional=True)
        uuid = parse_typeid("txn", payment_id)
        if uuid is None:
            raise NotFound
        return void(services, caller, uuid, context)

    return platform().gate.serve(request, serve)
