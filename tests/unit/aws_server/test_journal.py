"""The journal: what a store is made of again, and when the file is written anew."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest

from emulator.aws_server.sqs import journal, open_journal
from emulator.aws_server.sqs.store import Store
from tests.sqs_store import Bench, Clock

FIELDS = ("number", "id", "body", "group", "visible_at", "enqueued_at", "received_at", "receives")


def open_bench(folder: Path, now: float = 1_000_000_000.0) -> Bench:
    clock = Clock()
    clock.now = now
    bench = Bench(Store(open_journal(folder), clock=clock), clock)
    bench.store.restore()
    return bench


def picture(store: Store) -> Any:
    """All that a restart must not change."""
    return [
        (
            queue.key,
            queue.attributes,
            queue.tags,
            sorted(map(str, queue.duplicates())),
            sorted([getattr(item, name) for name in FIELDS] for item in queue.messages.values()),
        )
        for queue in store.queues.values()
    ]


def live(bench: Bench) -> None:
    queue, fifo = bench.queue("a"), bench.queue("b.fifo")
    gone = bench.queue("gone")
    bench.store.change(queue, {**queue.attributes, "VisibilityTimeout": "7"}, {"k": "v"})
    bench.send(queue, "1", "2", "3", "4")
    bench.send(gone, "x")
    bench.send(fifo, "1", "2", group="g")
    first, second, third = bench.receive(queue, count=3)
    bench.receive(fifo, count=1)
    bench.store.delete(queue, [first])
    bench.store.change_visibility(queue, second, 0)
    bench.store.move(queue, [third], fifo, [third.buried(bench.clock.now, "arn", is_fifo=True)])
    bench.store.delete_queue(gone)
    bench.clock.now += 5
    bench.receive(queue, count=1, visibility_s=100)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b'["sent",["0000', "line 2 of"),
        (b"\xff\xfe", "line 2 of"),
        (b"{}", "line 2 of"),
        (b"[]", "a change [] in the journal is skipped"),
        (b'["sent",["000000000000","us-east-1","a"],[["secret"]]]', "a change ['sent'] in the"),
        (b'["visible",["000000000000","us-east-1","a"]]', "a change ['visible'] in the"),
    ],
)
def test_a_bad_line_in_the_middle_is_skipped_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bad: bytes, said: str
) -> None:
    bench = open_bench(tmp_path)
    bench.send(bench.queue("a"), "1", "2")
    bench.store.close()
    (file,) = tmp_path.glob("*.journal")
    first, *others = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([first, bad + b"\n", *others]))
    again = open_bench(tmp_path)
    assert again.bodies(next(iter(again.store.queues.values()))) == ["1", "2"]
    again.store.close()
    assert said in caplog.text
    assert "secret" not in caplog.text


def test_a_store_is_what_it_was(tmp_path: Path) -> None:
    bench = open_bench(tmp_path)
    live(bench)
    again = bench
    for _ in range(2):  # from the history, then from the snapshot that took its place
        again.store.close()
        again = open_bench(tmp_path, bench.clock.now)
        assert picture(again.store) == picture(bench.store)
        assert again.store.size == bench.store.size
    queue = again.store.queue(next(iter(again.store.queues)))
    assert (queue.visible, queue.in_flight) == (1, 1)
    assert again.bodies(queue) == ["4"]
    again.store.close()


def test_history_is_dropped_when_it_has_grown_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_REWRITE_BYTES", 20_000)
    bench = open_bench(tmp_path)
    queue = bench.queue()
    bench.send(queue, "stays")
    file = tmp_path / "sqs.journal"
    sizes = []
    for _ in range(300):
        bench.send(queue, "x" * 500)
        bench.store.delete(queue, bench.receive(queue, visibility_s=30)[-1:])
        sizes.append(file.stat().st_size)
    assert max(sizes) < 22_000
    assert sizes != sorted(sizes)
    bench.store.close()
    again = open_bench(tmp_path, bench.clock.now)
    assert picture(again.store) == picture(bench.store)
    again.store.close()


def test_nothing_accepted_is_lost_when_history_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_REWRITE_BYTES", 3_000)
    bench = open_bench(tmp_path)
    queue = bench.queue()
    files = set()
    for number in range(100):
        bench.send(queue, f"m{number}")
        files.add((tmp_path / "sqs.journal").stat().st_ino)
        bench.receive(queue, visibility_s=30)
    assert len(files) > 1, "it was never written anew"
    bench.store.close()
    again = open_bench(tmp_path, bench.clock.now)
    assert picture(again.store) == picture(bench.store)
    again.store.close()


def test_what_cannot_be_written_is_not_taken(tmp_path: Path) -> None:
    bench = open_bench(tmp_path)
    queue = bench.queue()
    bench.send(queue, "before")
    file = tmp_path / "sqs.journal"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 100, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            bench.send(queue, "x" * 1_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    bench.send(queue, "after")
    assert bench.bodies(queue) == ["before", "after"]
    bench.store.close()
    again = open_bench(tmp_path, bench.clock.now + 30)
    (same,) = again.store.queues.values()
    assert again.bodies(same) == ["before", "after"]
    again.store.close()


def test_two_processes_do_not_share_a_journal(tmp_path: Path) -> None:
    bench = open_bench(tmp_path)
    with pytest.raises(OSError, match="another process keeps its queues"):
        open_bench(tmp_path)
    bench.store.close()
    open_bench(tmp_path).store.close()
