"""`paywright merchant fees`: what has been agreed with a merchant."""

# ruff: noqa: PLC0415 - commands load what they need when they are called
# ruff: noqa: PLR0917 - a command's parameters are its options

from __future__ import annotations

import getpass
import json
import sys
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.errors import Failure
from cli.options import AsJson

if TYPE_CHECKING:
    from paywright.fees import FeePlan

app = typer.Typer(help="A merchant's fees.", no_args_is_help=True)

Merchant = Annotated[str | None, typer.Option(help="mer_…; the demo merchant without it.")]


@app.command("set")
def set_(
    method: Annotated[str, typer.Option(help="card, bank_account or bank_return.")],
    percent: Annotated[str, typer.Option(help="Of what is captured, such as 2.9.")] = "0",
    fixed: Annotated[
        int, typer.Option(help="For each capture, in the minor unit: 30 is $0.30.")
    ] = 0,
    currency: Annotated[
        str, typer.Option(help="The settlement currency that it is for; * for all others.")
    ] = "*",
    return_on_refund: Annotated[
        bool, typer.Option("--return-on-refund", help="A refund gives back its part of the share.")
    ] = False,
    merchant: Merchant = None,
    as_json: AsJson = False,
) -> None:
    """Agree on a fee with a merchant, from its next capture on."""
    from cli import database
    from cli.place import Place
    from paywright.clock import business_clock
    from paywright.errors import PaywrightError
    from paywright.fees import FeePlan
    from paywright.ids import UuidSource
    from paywright.merchants.fees import set_fee_plan

    place = Place.find()
    plan = FeePlan(method, currency.lower(), _basis_points(percent), fixed, return_on_refund)
    merchant_id = place.merchant(merchant)
    clock = business_clock(place.clock_file)
    with database.connect(place.database_url) as connection:
        try:
            set_fee_plan(
                connection,
                merchant_id,
                plan,
                clock=clock,
                ids=UuidSource(clock),
                actor=getpass.getuser(),
            )
        except PaywrightError as error:
            raise Failure(error.message) from error
        connection.commit()
        _forget(place.valkey_url, connection, merchant_id)
    if as_json:
        print(json.dumps(asdict(plan)))
    else:
        print(f"Agreed: {_words(plan)}.")


@app.command("list")
def list_(merchant: Merchant = None, as_json: AsJson = False) -> None:
    """Show a merchant's fees, and what holds where nothing was agreed."""
    from cli import database
    from cli.place import Place
    from paywright.errors import NotFound
    from paywright.fees import PLATFORM_PLANS
    from paywright.merchants.fees import fee_plans

    place = Place.find()
    with database.connect(place.database_url) as connection:
        try:
            plans = fee_plans(connection, place.merchant(merchant))
        except NotFound as error:
            raise Failure(error.message) from error
    if as_json:
        print(json.dumps([asdict(plan) for plan in plans]))
        return
    for plan in plans:
        print(_words(plan))
    for plan in PLATFORM_PLANS:
        print(f"otherwise {plan.method_type}: {_percent(plan)} %")


def _forget(valkey_url: str | None, connection: Any, merchant_id: Any) -> None:
    from paywright.cache import Away, Cache
    from paywright.merchants.fees import forget_callers

    late = "Requests may see the fees of before for up to five minutes."
    if valkey_url is None:
        print(late, file=sys.stderr)
        return
    cache = Cache(valkey_url, timeout_ms=2_000)
    try:
        forget_callers(connection, merchant_id, cache)
    except Away:
        print(late, file=sys.stderr)
    finally:
        cache.close()


def _basis_points(percent: str) -> int:
    try:
        exact = Decimal(percent) * 100
        if exact != int(exact):
            raise ValueError(percent)
    except (InvalidOperation, ValueError, OverflowError):
        raise Failure(
            f"--percent takes a number with at most two decimals, not {percent}."
        ) from None
    return int(exact)


def _words(plan: FeePlan) -> str:
    from paywright.money import Currency, Money

    parts = [f"{_percent(plan)} %"]
    if plan.fixed_amount:
        parts.append(f"{Money(plan.fixed_amount, Currency.of(plan.currency))}")
    back = ", its share back on refunds" if plan.returned_on_refund else ""
    whose = "all currencies" if plan.currency == "*" else plan.currency
    return f"{plan.method_type}, {whose}: {' + '.join(parts)}{back}"


def _percent(plan: FeePlan) -> str:
    return f"{Decimal(plan.basis_points) / 100:f}"
