"""POST /v1/payments/{id}/capture: take what was held."""

from __future__ import annotations

from paywright.errors import NotFound
from paywright.http.fields import RequestModel
from paywright.http.function import ApiFunction
from paywright.http.messages import Request, Response, check_amount
from paywright.ids import parse_typeid
from paywright.payments.capture import Capture, capture
from paywright.payments.models import Answer, Caller, RequestContext
from paywright.wiring import platform

handler = ApiFunction()


class CapturePayment(RequestModel):
    """The body of the request; without an amount all that is held is captured."""

    amount: int | None = None


@handler.post("/v1/payments/<payment_id>/capture")
def capture_payment(request: Request, payment_id: str) -> Response:
    """Capture once; what is left of the authorization is released."""
    services = platform().payments

    def serve(caller: Caller, context: RequestContext) -> Answer:
        body = request.parse(CapturePayment, optional=True)
        if body.amount is not None:
            check_amount(body.amount)
        uuid = parse_typeid("txn", payment_id)
        if uuid is None:
            raise NotFound
        return capture(services, caller, Capture(uuid, body.amount), context)

    return platform().gate.serve(request, serve)
