"""Lines of a log, and a log of them."""

import json
from typing import Any

from cli.addressed import log_of
from cli.paths import Home

TRACE = "5759e988bd862e3fe1be46a994272793"


def write(home: Home, *lines: Any) -> None:
    with log_of(home).open("a") as opened:
        for line in lines:
            opened.write(
                (json.dumps(line, separators=(",", ":")) if isinstance(line, dict) else line) + "\n"
            )


def line_of(second: int, kind: str, message: str, **fields: Any) -> dict[str, Any]:
    base = {"ts": f"2026-11-22T20:00:{second:02d}.000Z", "kind": kind, "level": "INFO"}
    return {**base, "function": None, "request_id": None, **fields, "message": message}


def said(second: int, function: str, request: str, message: str, **said: Any) -> dict[str, Any]:
    text = json.dumps({"level": "INFO", "message": message, **said})
    return line_of(second, "function", text, function=function, request_id=request)
