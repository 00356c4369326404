"""Queues as time passes: visibility, order, retention, deduplication, redrive, limits."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.aws_server.sqs import actions
from emulator.aws_server.sqs.errors import SqsError
from emulator.aws_server.sqs.journal import NoJournal
from emulator.aws_server.sqs.lines import FifoLine, Timeline
from emulator.aws_server.sqs.messages import Message, State, attributes_md5
from emulator.aws_server.sqs.store import Store
from tests.sqs_store import Bench, Clock

HOURS = 3600


def counts(queue: Any) -> tuple[int, int, int]:
    return queue.visible, queue.delayed, queue.in_flight


def test_what_was_received_comes_again_oldest_first(bench: Any) -> None:
    queue = bench.queue()
    bench.send(queue, "a", "b", "c")
    assert bench.bodies(queue, count=2) == ["a", "b"]
    assert counts(queue) == (1, 0, 2)
    bench.clock.now += 30
    assert bench.bodies(queue) == ["a", "b", "c"]
    assert counts(queue) == (0, 0, 3)


def test_delayed_messages_wait(bench: Any) -> None:
    queue = bench.queue()
    bench.send(queue, "late", delay_s=10)
    bench.send(queue, "soon")
    assert bench.bodies(queue) == ["soon"]
    assert counts(queue) == (0, 1, 1)
    bench.clock.now += 10
    assert bench.bodies(queue) == ["late"]


def test_messages_go_when_they_are_too_old(bench: Any) -> None:
    queue = bench.queue(MessageRetentionPeriod=60)
    bench.send(queue, "old")
    bench.clock.now += 30
    bench.send(queue, "new")
    bench.clock.now += 30
    assert bench.bodies(queue) == ["new"]
    bench.clock.now += 31
    assert bench.bodies(queue) == []
    assert bench.store.size == 0
    assert not queue.messages


def test_twelve_hours_are_the_most_that_a_message_stays_hidden(bench: Any) -> None:
    queue = bench.queue()
    bench.send(queue, "x")
    (message,) = bench.receive(queue)
    bench.clock.now += 10
    with pytest.raises(SqsError, match="beyond the limit"):
        bench.store.change_visibility(queue, message, 12 * HOURS - 9)
    bench.store.change_visibility(queue, message, 12 * HOURS - 10)
    bench.clock.now += 12 * HOURS - 10.5
    assert bench.bodies(queue) == []
    bench.clock.now += 0.5
    assert bench.bodies(queue) == ["x"]


def test_a_standard_queue_takes_every_handle_it_gave(bench: Any) -> None:
    """Seen on AWS: getmoto/moto, pull request 4655."""
    queue = bench.queue()
    bench.send(queue, "x")
    (message,) = bench.receive(queue, visibility_s=1)
    first = queue.receipt(message)
    bench.clock.now += 1
    bench.store.advance(queue)
    assert queue.deletable(first) is message
    with pytest.raises(SqsError, match="not available for visibility timeout change"):
        queue.changeable(first)
    bench.receive(queue)
    assert queue.receipt(message) != first
    assert queue.changeable(first) is queue.deletable(first) is message
    bench.store.delete(queue, [message])
    assert queue.deletable(first) is None
    other = bench.queue("other")
    with pytest.raises(SqsError, match="not a valid receipt handle"):
        other.deletable(first)


def test_too_many_receives_bring_a_message_to_its_dead_letters(bench: Any) -> None:
    dead = bench.queue("dead")
    policy = json.dumps({"deadLetterTargetArn": dead.key.arn, "maxReceiveCount": 2})
    queue = bench.queue("q", RedrivePolicy=policy)
    bench.send(queue, "x")
    sent_at = bench.clock.now
    for _ in range(2):
        (message,) = bench.receive(queue, visibility_s=1)
        assert not dead.messages
        bench.clock.now += 1
    assert bench.bodies(queue) == []
    assert not queue.messages
    (buried,) = bench.receive(dead)
    assert buried.id == message.id
    told = buried.told(frozenset({"All"}))
    assert told["DeadLetterQueueSourceArn"] == queue.key.arn
    assert told["ApproximateReceiveCount"] == "3"
    assert buried.enqueued_at == sent_at, "its age goes on"


def test_fifo_dead_letters_start_anew_and_let_their_group_go_on(bench: Any) -> None:
    dead = bench.queue("dead.fifo")
    policy = json.dumps({"deadLetterTargetArn": dead.key.arn, "maxReceiveCount": 1})
    queue = bench.queue("q.fifo", RedrivePolicy=policy)
    bench.send(queue, "1", "2", "3")
    assert bench.bodies(queue, count=1, visibility_s=5) == ["1"]
    bench.clock.now += 5
    assert bench.bodies(queue) == ["2", "3"]
    (buried,) = dead.messages.values()
    assert (buried.enqueued_at, buried.deduplication_id) == (bench.clock.now, buried.id)


def test_a_group_waits_for_all_it_has_in_flight(bench: Any) -> None:
    queue = bench.queue("q.fifo")
    bench.send(queue, "a1", "a2", "a3", group="a")
    bench.send(queue, "b1", group="b")
    first, second = bench.receive(queue, count=2)
    assert (first.body, second.body) == ("a1", "a2")
    assert bench.bodies(queue) == ["b1"]
    bench.store.delete(queue, [second])
    assert bench.bodies(queue) == []
    bench.store.change_visibility(queue, first, 0)
    assert bench.bodies(queue) == ["a1", "a3"]


def test_an_expired_fifo_handle_deletes_nothing(bench: Any) -> None:
    queue = bench.queue("q.fifo")
    bench.send(queue, "x")
    (message,) = bench.receive(queue, visibility_s=5)
    handle = queue.receipt(message)
    bench.clock.now += 5
    bench.store.advance(queue)
    with pytest.raises(SqsError, match="The receipt handle has expired"):
        queue.deletable(handle)


def send_fifo(bench: Any, queue: Any, body: str, group: str) -> str:
    request = {"MessageBody": body, "MessageGroupId": group}
    answer = actions.send_message(bench.store, queue, request, "caller")
    message_id: str = answer["MessageId"]
    return message_id


@pytest.mark.parametrize(("scope", "distinct"), [("queue", 1), ("messageGroup", 2)])
def test_duplicates_count_for_five_minutes(bench: Any, scope: str, distinct: int) -> None:
    queue = bench.queue("q.fifo", ContentBasedDeduplication="true", DeduplicationScope=scope)
    ids = {send_fifo(bench, queue, "x", group) for group in "abab"}
    assert len(ids) == distinct
    bench.clock.now += 299
    assert send_fifo(bench, queue, "x", "a") in ids
    bench.clock.now += 1
    assert send_fifo(bench, queue, "x", "a") not in ids
    assert len(queue.messages) == distinct + 1


def test_a_batch_is_searched_for_duplicates_of_its_own(bench: Any) -> None:
    queue = bench.queue("q.fifo", ContentBasedDeduplication="true")
    entries = [{"Id": name, "MessageBody": "x", "MessageGroupId": "g"} for name in "ab"]
    answer = actions.send_message_batch(bench.store, queue, {"Entries": entries}, "caller")
    first, second = answer["Successful"]
    assert first["MessageId"] == second["MessageId"]
    assert len(queue.messages) == 1


def test_a_fifo_queues_new_delay_is_for_what_waits_too(bench: Any) -> None:
    queue = bench.queue("q.fifo", DelaySeconds=100)
    bench.send(queue, "x", delay_s=100)
    bench.clock.now += 10
    bench.store.change(queue, {**queue.attributes, "DelaySeconds": "10"}, {})
    assert bench.bodies(queue) == ["x"]


def test_a_full_store_takes_no_more_until_there_is_room(make_bench: Any) -> None:
    bench = make_bench(limit_bytes=10)
    queue = bench.queue()
    bench.send(queue, "12345")
    with pytest.raises(SqsError) as caught:
        bench.send(queue, "123456")
    assert (caught.value.status, caught.value.is_sender_fault) == (503, False)
    bench.store.delete(queue, bench.receive(queue))
    bench.send(queue, "123456")


def test_what_is_gone_leaves_no_entries_behind(bench: Any) -> None:
    queue = bench.queue()
    for _ in range(3_000):
        bench.send(queue, "x")
        bench.store.delete(queue, bench.receive(queue, visibility_s=12 * HOURS))
    timelines = [value for value in vars(queue).values() if isinstance(value, Timeline)]
    assert len(timelines) == 2
    assert all(len(timeline._heap) < 1_100 for timeline in timelines)
    fifo = bench.queue("q.fifo")
    for number in range(100):
        bench.send(fifo, "x", group=f"g{number}")
    bench.store.delete(fifo, bench.receive(fifo, count=100))
    line = fifo._line
    assert isinstance(line, FifoLine)
    assert not line._groups


def test_digests_are_those_that_aws_gave() -> None:
    """Recorded on AWS: LocalStack's test_sqs.snapshot.json, message attribute filters."""
    text = {
        name: {"DataType": "String", "StringValue": value}
        for name, value in {"General": "Kenobi", "Hello": "There", "Help.Me": "Me"}.items()
    }
    assert attributes_md5(text) == "4c360f3fdafd970e05fae2f149d997f5"
    trace = b"traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01"
    binary = base64.b64encode(trace).decode()
    assert (
        attributes_md5({"attr1": {"DataType": "Binary", "BinaryValue": binary}})
        == "8cbe4db156db8a94db8b801b7addb984"
    )


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.sampled_from("abc"), st.integers(0, 3)),
        st.tuples(st.just("receive"), st.integers(1, 4), st.integers(0, 9)),
        st.tuples(st.just("delete"), st.integers(0, 5)),
        st.tuples(st.just("show"), st.integers(0, 5), st.integers(0, 5)),
        st.tuples(st.just("pass"), st.integers(1, 6)),
    ),
    max_size=60,
)


@given(steps=STEPS, is_fifo=st.booleans())
@settings(max_examples=150)
def test_whatever_happens_nothing_is_lost_or_out_of_order(steps: list[Any], is_fifo: bool) -> None:
    """Against a model that scans: what is visible, in which order, and what each group holds."""
    clock = Clock()
    bench = Bench(Store(NoJournal(), clock=clock), clock)
    queue = bench.queue("q.fifo" if is_fifo else "q")
    alive: list[Message] = []
    sent = 0
    for step in steps:
        if step[0] == "send":
            sent += 1
            message = Message(
                str(sent),
                sent_at=clock.now,
                group=step[1] if is_fifo else None,
                deduplication_id=str(sent) if is_fifo else None,
            )
            message.visible_at += 0 if is_fifo else step[2]
            bench.store.send(queue, [message])
            alive.append(message)
        elif step[0] == "receive":
            bench.store.advance(queue)
            allowed = [item for item in alive if item.visible_at <= clock.now]
            if is_fifo:
                busy = {item.group for item in alive if item.visible_at > clock.now}
                allowed = [item for item in allowed if item.group not in busy]
            got = bench.store.receive(queue, step[1], step[2])
            assert len(got) == min(step[1], len(allowed))
            for group in {item.group for item in got}:
                mine = [item for item in got if item.group == group]
                assert mine == [item for item in allowed if item.group == group][: len(mine)]
        elif step[0] == "pass":
            clock.now += step[1]
        else:
            bench.store.advance(queue)
            flying = [item for item in alive if item.state is State.IN_FLIGHT]
            if step[1] < len(flying) and step[0] == "delete":
                bench.store.delete(queue, [flying[step[1]]])
                alive.remove(flying[step[1]])
            elif step[1] < len(flying):
                bench.store.change_visibility(queue, flying[step[1]], step[2])
        bench.store.advance(queue)
        assert list(queue.messages.values()) == alive
        assert queue.visible == sum(item.visible_at <= clock.now for item in alive)
        assert queue.in_flight + queue.delayed == len(alive) - queue.visible
