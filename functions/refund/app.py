"""POST /v1/payments/{id}/refund: give back what was captured."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from paywright.errors import NotFound
from paywright.http.fields import Metadata, PartAmount, RequestModel
from paywright.http.function import ApiFunction
from paywright.http.messages import Request, Response, check_amount
from paywright.ids import parse_typeid
from paywright.payments.models import Answer, Caller, RequestContext
from paywright.payments.refund import RefundWanted, refund
from paywright.wiring import platform

handler = ApiFunction()


class RefundPayment(RequestModel):
    """The body of the request; without an amount all that is left is refunded."""

    amount: PartAmount = None
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = None
    metadata: Metadata = Field(default_factory=dict)


@handler.post("/v1/payments/<payment_id>/refund")
def refund_payment(request: Request, payment_id: str) -> Response:
    """Refund all or a part; answers the payment with the refund in it."""
    services = platform().payments

    def serve(caller: Caller, context: RequestContext) -> Answer:
        body = request.parse(RefundPayment, optional=True)
        if body.amount is not None:
            check_amount(body.amount)
        uuid = parse_typeid("txn", payment_id)
        if uuid is None:
            raise NotFound
        wanted = RefundWanted(uuid, body.amount, body.reason, body.metadata)
        return refund(services, caller, wanted, context)

    return platform().gate.serve(request, serve)
