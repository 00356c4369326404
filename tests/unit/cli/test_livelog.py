import json
from pathlib import Path
from typing import Any

import pytest

from cli.livelog import LiveLog


@pytest.fixture
def logs(tmp_path):
    own, quiet = tmp_path / "emulator.log", tmp_path / "postgresql.log"
    own.touch()
    quiet.touch()
    return own, quiet


def _write(file: Path, *lines: object) -> None:
    with file.open("a") as opened:
        for line in lines:
            opened.write((json.dumps(line) if isinstance(line, dict) else str(line)) + "\n")


def _turn(log: LiveLog, capsys: Any) -> list[str]:
    log.turn()
    return list(capsys.readouterr().out.splitlines())


def test_only_what_comes_from_now_on_is_shown(logs, capsys):
    own, quiet = logs
    _write(own, "before")
    log = LiveLog()
    log.follow([own], [quiet])
    assert _turn(log, capsys) == []
    _write(own, "after")
    assert [line.split() for line in _turn(log, capsys)] == [["emulator", "after"]]


def _inner(message: str, **fields: str) -> str:
    return json.dumps({"level": "INFO", "message": message, **fields})


def test_lines_are_readable_and_in_order(logs, capsys, tmp_path):
    own, quiet = logs
    receiver = tmp_path / "receiver.log"
    log = LiveLog()
    log.follow([receiver, own], [quiet])
    webhook = {"type": "payment.captured", "id": "evt_1"}
    _write(
        receiver,
        {"received_at": "2026-11-22T20:00:02.000+00:00", "verified": True, **webhook},
        {"received_at": "2026-11-22T20:00:03.000+00:00", "verified": False, **webhook},
    )
    request = {"method": "POST", "path": "/v1/payments", "status": 201, "duration_ms": 12.6}
    _write(
        own,
        {"kind": "platform", "message": "START RequestId: 1 Version: $LATEST", "function": "f"},
        {"kind": "function", "message": _inner("request"), "function": "authorize"},
        {"kind": "function", "message": '{"_aws": {}, "latency": 3}', "function": "authorize"},
        {
            "ts": "2026-11-22T20:00:00.900Z",
            "kind": "function",
            "message": _inner("captured", payment_id="txn_1"),
            "function": "authorize",
        },
        {"ts": "2026-11-22T20:00:01.000Z", "kind": "access", "message": "…", **request},
        {
            "ts": "2026-11-22T20:00:04.000Z",
            "kind": "platform",
            "message": "it\ntimed out",
            "function": "f",
            "level": "ERROR",
        },
    )
    assert [" ".join(line.split()) for line in _turn(log, capsys)] == [
        "20:00:00 authorize captured payment_id=txn_1",
        "20:00:01 gateway POST /v1/payments 201 13 ms",
        "20:00:02 receiver webhook payment.captured evt_1: signature verified",
        "20:00:03 receiver webhook payment.captured evt_1: WRONG SIGNATURE",
        "20:00:04 f it timed out",
    ]


def test_servers_speak_only_when_something_is_wrong(logs, capsys):
    own, quiet = logs
    log = LiveLog()
    log.follow([own], [quiet])
    _write(quiet, "LOG: checkpoint starting", "FATAL: no more room")
    assert [line.strip() for line in _turn(log, capsys)] == ["postgresql  FATAL: no more room"]


def test_half_a_line_waits_for_its_other_half(logs, capsys):
    own, quiet = logs
    log = LiveLog()
    log.follow([own], [quiet])
    with own.open("a") as opened:
        opened.write("first\nsec")
        opened.flush()
        assert len(_turn(log, capsys)) == 1
        opened.write("ond\n")
    assert _turn(log, capsys)[0].endswith("second")


def test_a_flood_is_cut_and_said(logs, capsys):
    own, quiet = logs
    log = LiveLog()
    log.follow([own], [quiet])
    _write(own, *(f"line {number}" for number in range(1000)))
    shown = _turn(log, capsys)
    assert shown[0] == f"… 800 more lines are in {own}"
    assert shown[-1].endswith("line 999")
    assert len(shown) == 201


def test_a_log_that_was_cut_is_followed_from_its_new_start(logs, capsys):
    own, quiet = logs
    _write(own, "x" * 100)
    log = LiveLog()
    log.follow([own], [quiet])
    own.write_text("new\n")
    assert len(_turn(log, capsys)) == 1
