"""The log's reader: from the end, through rotation, one request's lines over all functions."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cli.addressed import log_of
from cli.errors import Failure
from cli.logfile import Follower, backward, begin, rotated, start
from cli.logs import Wanted, moment, show, w3c
from cli.logview import Entry, Painter, tell
from cli.paths import Home
from emulator.services.process import bound_log
from tests.unit.cli.log_lines import TRACE, line_of, said, write

_T2 = "11111111222222222222222222222222"
_X1, _X2 = ("Root=1-5759e988-bd862e3fe1be46a994272793", "Root=1-11111111-222222222222222222222222")


def _show(home: Home, capsys: Any, *, as_json: bool = False, **wanted: Any) -> list[str]:
    show(home, Wanted(**wanted), follow=False, as_json=as_json)
    return list(capsys.readouterr().out.splitlines())


def _words(lines: list[str]) -> list[str]:
    return [" ".join(line.split()) for line in lines]


# -- files


def test_backward_gives_every_line_with_its_place(tmp_path):
    log = tmp_path / "a.log"
    rotated(log).write_bytes(b"half a line\n1\n22\n")
    log.write_bytes(b"333\n\n" + b"x" * 600_000 + b"\n55555")
    found = list(backward(log))
    assert [len(line) for _, line in found] == [5, 600_000, 3, 2, 1, 11]
    for position, line in found:
        content = position.file.read_bytes()
        assert content[position.offset : position.offset + len(line)] == line


def test_begin_is_the_start_if_nothing_reaches(tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes(b"1\n2\n")
    assert begin(log, lambda line: line == b"2").offset == 2
    assert begin(log, lambda line: False) == start(log)
    rotated(log).write_bytes(b"orn line\n0\n")
    assert list(Follower(log, start(log)).lines()) == [b"0", b"1", b"2"]


def test_a_follower_loses_nothing_when_the_log_starts_anew(tmp_path):
    log = tmp_path / "a.log"
    follower = Follower(log)
    got: list[bytes] = []
    number = 0
    for round_ in range(6):
        with log.open("ab") as opened:
            for _ in range(500):
                opened.write(b"%07d %s\n" % (number, b"x" * 90))
                number += 1
            if round_ % 2:
                opened.write(b"a half")
        got += follower.lines()
        if round_ % 2:
            with log.open("ab") as opened:
                opened.write(b"-line\n")
        with log.open("ab") as opened:
            opened.write(b"%07d before it starts anew\n" % number)
            number += 1
        bound_log(log, 1_000)
        assert log.stat().st_size == 0
    got += follower.lines()
    numbers = [int(line[:7]) for line in got if line[:1].isdigit()]
    # Of what was written just before, only what the older part's limit of 1,000 bytes leaves.
    assert numbers == list(range(number))


def test_a_log_that_is_deleted_and_made_again_is_followed(tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes(b"one\n")
    follower = Follower(log)
    log.unlink()
    assert list(follower.lines()) == []
    log.write_bytes(b"1\n")
    assert list(follower.lines()) == [b"1"]


def test_a_jump_over_a_flood_lands_on_a_whole_line(tmp_path):
    log = tmp_path / "a.log"
    log.touch()
    follower = Follower(log)
    log.write_bytes(b"".join(b"line %05d\n" % number for number in range(1000)))
    assert list(follower.lines(most_bytes=100)) == [b"line %05d" % n for n in range(991, 1000)]


# -- lines


def test_what_people_are_told():
    cases: list[tuple[dict[str, Any], tuple[str, str, str] | None]] = [
        (line_of(1, "platform", "START RequestId: 1 Version: $LATEST", function="f"), None),
        (line_of(1, "platform", "END RequestId: 1", function="f"), None),
        (line_of(1, "function", '{"_aws":{},"n":1}', function="f"), None),
        (
            line_of(
                1,
                "platform",
                "REPORT RequestId: 1\tDuration: 12.34 ms\tBilled Duration: 13 ms\t"
                "Memory Size: 512 MB\tMax Memory Used: 63 MB\t"
                "Init Duration: 400.00 ms\tStatus: timeout",
                function="f",
            ),
            ("f", "ran 12.3 ms, 63 MB, INIT 400 ms, Status: timeout", ""),
        ),
        (
            line_of(1, "access", "…", method="GET", path="/x", status=503, duration_ms=7.4),
            ("gateway", "GET /x 503 7 ms", ""),
        ),
        (
            said(1, "f", "1", "done", payment_id="txn_1", trace_id=TRACE, service="f", count=0),
            ("f", "done payment_id=txn_1 count=0", ""),
        ),
        (
            said(1, "f", "1", "failed", exception="Traceback:\n  File\nE: no", exception_name="E"),
            ("f", "failed", "Traceback:\n  File\nE: no"),
        ),
        (
            line_of(1, "function", "[ERROR] E: no\nTraceback:\n  File", function="f"),
            ("f", "E: no", "Traceback:\n  File"),
        ),
        (line_of(1, "function", "[1, 2]", function="f"), ("f", "[1, 2]", "")),
        (line_of(1, "platform", "stopping"), ("emulator", "stopping", "")),
    ]
    for line, expected in cases:
        shown = tell(Entry.of(json.dumps(line).encode()))
        told = None if shown is None else (shown.who, " ".join(shown.text.split()), shown.more)
        assert told == expected


@pytest.mark.parametrize(
    ("line", "level"),
    [
        (said(1, "f", "1", "x"), "INFO"),
        (line_of(1, "function", '{"level":"ERROR","message":"x"}'), "ERROR"),
        (line_of(1, "function", "[WARNING]\t2026-11-22T20:00:00Z\t1\tx"), "WARNING"),
        (line_of(1, "platform", "x", level="ERROR"), "ERROR"),
        (line_of(1, "function", '{"level":"odd","message":"x"}'), "INFO"),
        (line_of(1, "access", "x", status=500), "ERROR"),
        (line_of(1, "access", "x", status=404), "WARNING"),
        (line_of(1, "access", "x", status=201), "INFO"),
    ],
)
def test_levels(line, level):
    assert Entry.of(json.dumps(line).encode()).level == level


def test_colours_are_for_terminals_and_a_name_keeps_its_own():
    shown = tell(Entry.of(json.dumps(said(1, "relay", "1", "x")).encode()))
    assert shown is not None
    assert "\x1b" not in Painter(colour=False).line("20:00:01", shown)
    painted = Painter(colour=True).line("20:00:01", shown)
    assert painted == Painter(colour=True).line("20:00:01", shown)
    assert "\x1b[" in painted


# -- choosing


def _story(home: Home) -> None:
    """A payment of trace 1 amid others, as the platform logs it."""
    write(
        home,
        line_of(1, "platform", "START RequestId: req-r", function="relay", request_id="req-r"),
        line_of(
            2,
            "platform",
            "START RequestId: a",
            function="authorize",
            request_id="req-a",
            trace_id=_X1,
        ),
        said(3, "authorize", "req-a", "request", trace_id=TRACE, request_id="gw=")
        | {"trace_id": _X1},
        line_of(4, "function", "printed", function="authorize", request_id="req-a", trace_id=_X1),
        line_of(
            5,
            "access",
            "…",
            function="authorize",
            request_id="gw=",
            trace_id=_X1,
            method="POST",
            path="/v1/payments",
            status=201,
            duration_ms=9,
        ),
        said(6, "relay", "req-r", "Events relayed", trace_ids=[TRACE, _T2]),
        said(7, "relay", "req-r", "Events relayed", trace_ids=[_T2]),
        said(8, "webhook", "req-w", "Webhook delivered", trace_id=_T2),
        said(9, "webhook", "req-w", "Webhook delivered", trace_id=TRACE, event="evt_1")
        | {"trace_id": "Root=1-00000000-000000000000000000000001"},
        line_of(10, "function", "[ERROR] E: no\nTraceback", function="webhook", request_id="req-w"),
        line_of(11, "platform", "timed out", function="webhook", request_id="req-w", level="ERROR"),
        line_of(12, "platform", "END RequestId: req-w", function="webhook", request_id="req-w"),
        said(13, "relay", "req-r", "Work is paused"),
        said(14, "merchant", "req-m", "request", trace_id=_T2),
        line_of(15, "platform", "the AWS endpoint is back"),
    )


def test_a_trace_is_gathered_over_all_functions(home, capsys):
    _story(home)
    for form in (
        TRACE,
        _X1,
        _X1.removeprefix("Root="),
        f"00-{TRACE}-00f067aa0ba902b7-01",
        "gw=",
        "req-a",
        "evt_1",
    ):
        assert _words(_show(home, capsys, trace=form)) == [
            "20:00:03.000 authorize request",
            "20:00:04.000 authorize printed",
            "20:00:05.000 gateway POST /v1/payments 201 9 ms",
            "20:00:06.000 relay Events relayed",
            "20:00:09.000 webhook Webhook delivered event=evt_1",
            "20:00:10.000 webhook E: no",
            "Traceback",
            "20:00:11.000 webhook timed out",
            "20:00:13.000 relay Work is paused",
        ], form
    raw = _show(home, capsys, trace=TRACE, as_json=True)
    assert [json.loads(line)["ts"][17:19] for line in raw] == [
        "02", "03", "04", "05", "06", "09", "10", "11", "13",
    ]  # fmt: skip


def test_a_trace_that_nothing_knows_is_told(home, capsys):
    _story(home)
    assert _show(home, capsys, trace="f" * 32) == []
    with pytest.raises(Failure, match="Nothing is known of nobody"):
        show(home, Wanted(trace="nobody"), follow=False, as_json=False)


def test_one_request_by_either_id(home, capsys):
    _story(home)
    expected = ["authorize request", "authorize printed", "gateway POST /v1/payments 201 9 ms"]
    for request, end in (("gw=", 3), ("req-a", 2)):  # Lambda's own id is not the gateway's
        shown = _words(_show(home, capsys, request=request))
        assert [line.split(" ", 1)[1] for line in shown] == expected[:end]


@pytest.mark.parametrize(
    ("wanted", "seconds"),
    [
        ({"function": "webhook"}, [8, 9, 10, 11]),
        ({"function": "gateway"}, [5]),
        ({"function": "emulator"}, [15]),
        ({"function": "authorize"}, [3, 4, 5]),
        ({"level": "ERROR"}, [10, 11]),
        ({"count": 2}, [14, 15]),
        ({"count": 2, "function": "webhook"}, [10, 11]),
        ({"count": 1, "level": "ERROR"}, [11]),
        ({"since": "2026-11-22T20:00:10.500Z"}, [11, 13, 14, 15]),
        ({"since": "2026-11-22T20:00:10.500Z", "count": 1}, [15]),
        ({"since": "2027-01-01T00:00:00.000Z"}, []),
    ],
)
def test_choices(home, capsys, wanted, seconds):
    _story(home)
    lines = [line for line in _show(home, capsys, **wanted) if line.startswith("20:")]
    assert [int(line[6:8]) for line in lines] == seconds


def test_the_last_hundred_lines_are_shown_also_from_the_older_part(home, capsys):
    log = log_of(home)
    write(home, *(line_of(1, "platform", f"line {number}") for number in range(80)))
    log.rename(rotated(log))
    write(home, *(line_of(1, "platform", f"line {number}") for number in range(80, 130)))
    assert _words(_show(home, capsys))[0].endswith("line 30")
    assert len(_show(home, capsys)) == 100
    assert len(_show(home, capsys, count=1000)) == 129  # the first was cut, for all we know


def test_what_is_no_json_is_shown_as_it_is(home, capsys):
    write(home, "Traceback of the emulator itself", '{"odd": 1}', "", "[]")
    assert _words(_show(home, capsys)) == [
        "emulator Traceback of the emulator itself",
        "emulator []",
    ]
    assert [json.loads(line) for line in _show(home, capsys, as_json=True)] == [
        {"message": "Traceback of the emulator itself"},
        {"odd": 1},
        {"message": "[]"},
    ]


def test_no_log_is_told(home):
    with pytest.raises(Failure, match="There is no log yet"):
        show(home, Wanted(), follow=False, as_json=False)


def test_ages_and_times():
    now = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
    assert moment("10m", now) == "2026-11-22T19:50:00.000Z"
    assert moment("2d", now) == "2026-11-20T20:00:00.000Z"
    assert moment("2026-11-22T20:00:00+02:00") == "2026-11-22T18:00:00.000Z"
    with pytest.raises(Failure, match="--since takes an age"):
        moment("soon")


def test_trace_ids_of_all_forms():
    assert w3c("txn_1") is None
    assert w3c(f"{_X1};Parent=53995c3f42cd8ad8;Sampled=1") == TRACE
