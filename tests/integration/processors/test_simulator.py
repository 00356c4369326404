"""The simulated processor keeps its own books: what it holds, took, gave back and said."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from paywright.money import Money
from paywright.processors.base import (
    Approved,
    Declined,
    Pending,
    Reply,
    ScriptedSilence,
    Unknown,
)
from paywright.processors.simulator import Simulator
from tests.integration.processors.conftest import EUR, Moved, card, code, hold, sale, told, usd


def capture(of: Simulator, reference: str, amount: int, *, final: bool = True) -> str | None:
    return code(of.capture(uuid.uuid4(), reference=reference, amount=usd(amount), final=final))


def void(of: Simulator, reference: str) -> str | None:
    return code(of.void(uuid.uuid4(), reference=reference))


def refund(of: Simulator, reference: str, amount: int) -> str | None:
    return code(of.refund(uuid.uuid4(), reference=reference, amount=usd(amount)))


def test_a_hold_is_captured_once_and_its_rest_is_gone(simulator: Simulator) -> None:
    held = hold(simulator, 1000)
    assert capture(simulator, held, 1001) == "amount_exceeds_hold"
    assert refund(simulator, held, 1) == "not_captured"
    assert capture(simulator, held, 600) is None
    assert capture(simulator, held, 1) == "already_captured"
    assert void(simulator, held) == "already_captured"


def test_a_hold_is_captured_in_parts_and_its_rest_is_let_go(simulator: Simulator) -> None:
    held = hold(simulator, 1000)
    assert capture(simulator, held, 300, final=False) is None
    assert capture(simulator, held, 701, final=False) == "amount_exceeds_hold"
    assert capture(simulator, held, 300, final=False) is None
    assert void(simulator, held) is None
    assert void(simulator, held) == "already_captured"
    assert capture(simulator, held, 1) == "already_captured"
    assert refund(simulator, held, 601) == "amount_exceeds_captured"
    assert refund(simulator, held, 600) is None


def test_a_hold_is_let_go_once(simulator: Simulator) -> None:
    held = hold(simulator, 1000)
    assert void(simulator, held) is None
    assert void(simulator, held) == "already_voided"
    assert capture(simulator, held, 1) == "already_voided"


def test_refunds_end_where_the_money_does(simulator: Simulator) -> None:
    taken = sale(simulator, 1000)
    assert void(simulator, taken) == "already_captured"
    assert refund(simulator, taken, 600) is None
    assert refund(simulator, taken, 401) == "amount_exceeds_captured"
    assert refund(simulator, taken, 400) is None
    assert refund(simulator, taken, 1) == "amount_exceeds_captured"


def test_what_it_never_authorized_it_does_not_know(simulator: Simulator) -> None:
    refused = simulator.authorize(
        uuid.uuid4(), token=card(simulator, "4000000000000002"), amount=usd(5), capture=False
    )
    assert isinstance(refused, Declined)
    for reference in ("ch_unknown", refused.reference):
        assert reference is not None
        assert capture(simulator, reference, 5) == "charge_not_found"
        assert void(simulator, reference) == "charge_not_found"
        assert refund(simulator, reference, 5) == "charge_not_found"


def test_a_token_of_nobodys_is_refused(simulator: Simulator) -> None:
    reply = simulator.authorize(uuid.uuid4(), token="sim_no", amount=usd(5), capture=True)
    assert code(reply) == "card_not_found"


def test_another_currency_is_refused(simulator: Simulator) -> None:
    held, taken = hold(simulator, 100), sale(simulator, 100)
    euros = Money(50, EUR)
    captured = simulator.capture(uuid.uuid4(), reference=held, amount=euros, final=True)
    refunded = simulator.refund(uuid.uuid4(), reference=taken, amount=euros)
    assert code(captured) == code(refunded) == "currency_mismatch"


def test_the_same_request_is_told_the_same(simulator: Simulator) -> None:
    taken, operation = sale(simulator, 1000), uuid.uuid4()
    first = simulator.refund(operation, reference=taken, amount=usd(700))
    assert simulator.refund(operation, reference=taken, amount=usd(700)) == first
    assert simulator.lookup(operation) == first
    assert refund(simulator, taken, 300) is None, "the repetition took nothing"
    assert simulator.lookup(uuid.uuid4()) is None


def test_at_the_same_moment_only_one_gets_the_last_of_it(
    new_simulator: Callable[..., Simulator],
) -> None:
    first = new_simulator()
    taken, held = sale(first, 1000), hold(first, 1000)
    simulators = [new_simulator() for _ in range(8)]
    start = threading.Barrier(len(simulators))

    def ask(each: Simulator) -> tuple[str | None, str | None]:
        start.wait(10)
        return refund(each, taken, 600), capture(each, held, 600, final=False)

    with ThreadPoolExecutor(len(simulators)) as pool:
        answers = list(pool.map(ask, simulators))
    assert sorted(map(str, (refunded for refunded, _ in answers))) == sorted(
        ["None"] + ["amount_exceeds_captured"] * 7
    )
    assert sorted(map(str, (captured for _, captured in answers))) == sorted(
        ["None"] + ["amount_exceeds_hold"] * 7
    )


def test_the_same_request_at_the_same_moment_counts_once(
    new_simulator: Callable[..., Simulator],
) -> None:
    token, operations = card(new_simulator()), [uuid.uuid4() for _ in range(50)]
    simulators = [new_simulator() for _ in range(8)]
    together = threading.Barrier(len(simulators))

    def ask(each: Simulator) -> list[Reply]:
        each.lookup(operations[0])  # connects
        replies = []
        for operation in operations:
            together.wait(10)
            replies.append(each.authorize(operation, token=token, amount=usd(100), capture=True))
        return replies

    with ThreadPoolExecutor(len(simulators)) as pool:
        answers = list(pool.map(ask, simulators))
    assert answers == [answers[0]] * len(simulators)


def test_a_reversed_authorization_holds_nothing(simulator: Simulator) -> None:
    operation, token = uuid.uuid4(), card(simulator)
    reply = simulator.authorize(operation, token=token, amount=usd(100), capture=False)
    assert isinstance(reply, Approved)
    simulator.reverse(operation)
    simulator.reverse(operation)
    assert simulator.lookup(operation) is None
    assert capture(simulator, reply.reference, 100) == "charge_not_found"
    again = simulator.authorize(operation, token=token, amount=usd(100), capture=False)
    assert code(again) == "reversed"


def test_a_reversed_capture_gives_the_hold_back(simulator: Simulator) -> None:
    held, operation = hold(simulator, 1000), uuid.uuid4()
    assert code(simulator.capture(operation, reference=held, amount=usd(600), final=True)) is None
    simulator.reverse(operation)
    assert refund(simulator, held, 1) == "not_captured"
    assert capture(simulator, held, 1000) is None


def test_a_reversed_void_or_refund_never_was(simulator: Simulator) -> None:
    held, taken, voided, refunded = (
        hold(simulator, 100),
        sale(simulator, 100),
        uuid.uuid4(),
        uuid.uuid4(),
    )
    assert code(simulator.void(voided, reference=held)) is None
    assert code(simulator.refund(refunded, reference=taken, amount=usd(100))) is None
    simulator.reverse(voided)
    simulator.reverse(refunded)
    assert capture(simulator, held, 100) is None
    assert refund(simulator, taken, 100) is None


def test_a_request_that_comes_minutes_after_its_reversal_does_nothing(
    simulator: Simulator, clock: Moved
) -> None:
    token, held, taken = card(simulator), hold(simulator, 100), sale(simulator, 100)
    operations = [uuid.uuid4() for _ in range(4)]
    for operation in operations:
        simulator.reverse(operation)
    clock.advance(minutes=7)
    authorized, captured, voided, refunded = operations
    late = [
        simulator.authorize(authorized, token=token, amount=usd(100), capture=True),
        simulator.capture(captured, reference=held, amount=usd(100), final=True),
        simulator.void(voided, reference=held),
        simulator.refund(refunded, reference=taken, amount=usd(100)),
    ]
    assert [code(reply) for reply in late] == ["reversed"] * 4
    assert [simulator.lookup(operation) for operation in operations] == [None] * 4
    assert capture(simulator, held, 100) is None, "the hold is whole"
    assert refund(simulator, taken, 100) is None, "so is what was taken"


def test_what_others_were_built_on_is_not_reversed(simulator: Simulator) -> None:
    sold, taken = uuid.uuid4(), uuid.uuid4()
    held = hold(simulator, 100)
    simulator.capture(taken, reference=held, amount=usd(100), final=True)
    reply = simulator.authorize(sold, token=card(simulator), amount=usd(100), capture=True)
    assert isinstance(reply, Approved)
    for reference, operation in ((reply.reference, sold), (held, taken)):
        refunded = uuid.uuid4()
        simulator.refund(refunded, reference=reference, amount=usd(1))
        with pytest.raises(Unknown, match="built on it"):
            simulator.reverse(operation)
        assert isinstance(simulator.lookup(operation), Approved)
        simulator.reverse(refunded)
        simulator.reverse(operation)
        assert simulator.lookup(operation) is None


def test_a_refund_that_is_pending_succeeds_an_hour_later(
    simulator: Simulator, clock: Moved
) -> None:
    taken, operation = sale(simulator, 500, "4000000000007726"), uuid.uuid4()
    reply = simulator.refund(operation, reference=taken, amount=usd(500))
    assert isinstance(reply, Pending)
    assert refund(simulator, taken, 1) == "amount_exceeds_captured", "what is pending counts"
    clock.advance(minutes=59)
    assert told(simulator, operation) == []
    assert simulator.lookup(operation) == reply
    clock.advance(minutes=1)
    assert simulator.lookup(operation) == Approved(reply.reference)
    assert told(simulator, operation) == [None]
    assert told(simulator, operation) == []


def test_a_refund_that_succeeded_turns_out_to_have_failed(
    simulator: Simulator, clock: Moved
) -> None:
    taken, operation = sale(simulator, 500, "4000000000005126"), uuid.uuid4()
    reply = simulator.refund(operation, reference=taken, amount=usd(500))
    assert isinstance(reply, Approved)
    assert simulator.lookup(operation) == reply
    clock.advance(hours=1)
    failed = Declined("expired_or_canceled_card", reply.reference)
    assert simulator.lookup(operation) == failed
    mine = [n.outcome for n in simulator.notices(1000) if n.operation_id == operation]
    assert mine == [failed]
    assert told(simulator, operation) == ["expired_or_canceled_card"], "told until acknowledged"
    again = simulator.refund(uuid.uuid4(), reference=taken, amount=usd(500))
    assert isinstance(again, Approved), "the money is still there to be given back"


def test_nothing_is_told_of_a_refund_that_was_reversed(simulator: Simulator, clock: Moved) -> None:
    taken, operation = sale(simulator, 500, "4000000000007726"), uuid.uuid4()
    simulator.refund(operation, reference=taken, amount=usd(500))
    simulator.reverse(operation)
    clock.advance(days=1)
    assert told(simulator, operation) == []
    assert simulator.lookup(operation) is None


@pytest.mark.parametrize(
    ("number", "becomes"),
    [("4000000000003006", None), ("4000000000003014", "generic_decline")],
)
def test_no_answer_does_not_mean_nothing_was_decided(
    number: str, becomes: str | None, simulator: Simulator, slept: list[float]
) -> None:
    operation = uuid.uuid4()
    with pytest.raises(ScriptedSilence):
        simulator.authorize(operation, token=card(simulator, number), amount=usd(5), capture=True)
    assert slept == [5.0], "the whole time that it has"
    assert code(simulator.lookup(operation)) == becomes


def test_a_lost_request_was_never_seen(simulator: Simulator) -> None:
    operation, token = uuid.uuid4(), card(simulator, "4000000000003048")
    with pytest.raises(ScriptedSilence):
        simulator.authorize(operation, token=token, amount=usd(5), capture=True)
    assert simulator.lookup(operation) is None
    simulator.reverse(operation)
    late = simulator.authorize(operation, token=token, amount=usd(5), capture=True)
    assert code(late) == "reversed"


def test_later_requests_get_no_answer_either_and_are_done(simulator: Simulator) -> None:
    captured, voided, refunded = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    with pytest.raises(ScriptedSilence):
        simulator.capture(
            captured,
            reference=hold(simulator, 100, "4000000000003055"),
            amount=usd(100),
            final=True,
        )
    with pytest.raises(ScriptedSilence):
        simulator.void(voided, reference=hold(simulator, 100, "4000000000003063"))
    with pytest.raises(ScriptedSilence):
        simulator.refund(
            refunded, reference=sale(simulator, 100, "4000000000003071"), amount=usd(100)
        )
    for operation in (captured, voided, refunded):
        assert isinstance(simulator.lookup(operation), Approved)


def test_latency_is_waited_for_after_the_decision(
    new_simulator: Callable[..., Simulator], slept: list[float]
) -> None:
    quick, operation = new_simulator(latency_s=0.1), uuid.uuid4()
    sale(quick, 100)
    hold(quick, 100, "4000000000003022")
    assert slept == [0.1, 3.1]
    slept.clear()
    late = new_simulator(latency_s=0.1, timeout_s=0.1)
    with pytest.raises(Unknown) as silent:
        late.authorize(operation, token=card(late), amount=usd(5), capture=True)
    assert silent.type is Unknown, "no card asked for that"
    assert slept == [0.1], "no longer than there is time"
    assert isinstance(late.lookup(operation), Approved)
    for number in ("4000000000003006", "4000000000003022"):
        with pytest.raises(Unknown) as silent:
            sale(late, 100, number)
        assert silent.type is Unknown, "it gives no answer to other cards either"
    with pytest.raises(ScriptedSilence):
        hold(new_simulator(timeout_s=3.0), 100, "4000000000003022")


def test_chance_befalls_the_same_operations_in_every_run(
    new_simulator: Callable[..., Simulator],
) -> None:
    def fates(seed: int) -> list[str]:
        unlucky, lucky = new_simulator(failure_rate=0.2), new_simulator()
        token, found = card(unlucky), []
        for number in range(200):
            operation = uuid.UUID(int=(seed << 64) + number, version=4)
            try:
                unlucky.authorize(operation, token=token, amount=usd(5), capture=True)
                found.append("answered")
            except ScriptedSilence:
                found.append("no card asked for that")
            except Unknown:
                found.append(str(code(lucky.lookup(operation))))
        return found

    first = fates(1)
    assert fates(1) == first
    assert fates(2) != first
    # Fixed operations, so these are facts and not chances.
    assert 20 <= first.count("None") + first.count("processing_error") <= 60
    assert first.count("None") >= 5
    assert first.count("processing_error") >= 5


def test_its_books_can_be_read(simulator: Simulator, clock: Moved, database_url: str) -> None:
    held = hold(simulator, 1000)
    assert capture(simulator, held, 600) is None
    assert refund(simulator, held, 100) is None
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT authorized, held, captured, released, refunded"
            " FROM simulator.charges_at(%s) WHERE reference = %s",
            [clock.now(), held],
        ).fetchone()
    assert row == (1000, 0, 600, 400, 100)
