"""PutEvents and TestEventPattern as EventBridge answers them.

Sources: EventBridge API reference, PutEvents and TestEventPattern; codes and messages recorded on
AWS (LocalStack's tests/aws/services/events, marked aws.validated).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from emulator.patterns import PatternError, compile_pattern

_MOST_ENTRIES = 10
_MOST_BYTES = 1024 * 1024
_TIME_BYTES = 14
_REQUIRED = ("Source", "DetailType", "Detail")
# The reference names `resources` too; AWS does not ask for it.
_FIELDS = frozenset({"id", "account", "source", "time", "region", "detail-type"})


def adapt(eventbridge: Any) -> None:
    """Change what MiniStack's EventBridge takes; how it delivers stays its own."""
    pattern_error = eventbridge._event_pattern_error
    test_pattern = eventbridge._test_event_pattern

    def put_events(data: Mapping[str, Any], allow_aws_source: bool = False) -> Any:
        entries = data.get("Entries") or []
        problem = _request_problem(entries)
        if problem is not None:
            return eventbridge.error_response_json(*problem, 400)
        answers = [_put(eventbridge, entry, allow_aws_source) for entry in entries]
        failed = sum("ErrorCode" in answer for answer in answers)
        return eventbridge.json_response({"FailedEntryCount": failed, "Entries": answers})

    def pattern_error_here_too(pattern: Any) -> Any:
        return pattern_error(pattern) or _pattern_problem(pattern)

    def test_whole_event(data: Mapping[str, Any]) -> Any:
        event = _parsed(data.get("Event"))
        if not isinstance(event, dict) or not event.keys() >= _FIELDS:
            message = "Parameter Event is not valid."
            return eventbridge.error_response_json("ValidationException", message, 400)
        return test_pattern(data)

    eventbridge._put_events = put_events
    eventbridge._event_pattern_error = pattern_error_here_too
    eventbridge._test_event_pattern = test_whole_event


def _put(eventbridge: Any, entry: Mapping[str, Any], allow_aws_source: bool) -> dict[str, Any]:
    """Send one event to its bus; what became of it."""
    for name in _REQUIRED:
        if not entry.get(name):
            reason = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return _failed("InvalidArgument", reason)
    if not isinstance(_parsed(entry["Detail"]), dict):
        return _failed("MalformedDetail", "Detail is malformed.")
    bus, problem = eventbridge._event_bus_name_from_ref(entry.get("EventBusName", "default"))
    if problem:
        return _failed(*problem)
    if entry["Source"].startswith("aws.") and not allow_aws_source:
        return _failed("NotAuthorizedForSourceException", "Not authorized for the source.")
    event: dict[str, Any] = {
        "EventId": eventbridge.new_uuid(),
        "Source": entry["Source"],
        "DetailType": entry["DetailType"],
        "Detail": entry["Detail"],
        "EventBusName": bus,
        # Events carry whole seconds.
        "Time": int(_seconds(entry["Time"]) if "Time" in entry else eventbridge._now_ts()),
        "Resources": entry.get("Resources", []),
        "Account": eventbridge.get_account_id(),
        "Region": eventbridge.get_region(),
    }
    view = eventbridge._pattern_event_view(event)
    eventbridge._dispatch_event(event, view)
    eventbridge._archive_event(event, view)
    return {"EventId": event["EventId"]}


def _failed(code: str, message: str) -> dict[str, Any]:
    return {"ErrorCode": code, "ErrorMessage": message}


def _request_problem(entries: Any) -> tuple[str, str] | None:
    """Return code and message of what is wrong with the request as a whole."""
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return "SerializationException", "Entries is a list of structures."
    for entry in entries:
        if not all(isinstance(entry.get(name, ""), str) for name in (*_REQUIRED, "EventBusName")):
            return "SerializationException", "Source, DetailType and Detail are strings."
        try:
            datetime.fromtimestamp(_seconds(entry.get("Time", 0)), UTC)
        except (TypeError, ValueError, OverflowError, OSError):
            return "SerializationException", "Time is no timestamp."
    if not 1 <= len(entries) <= _MOST_ENTRIES:
        bound = (
            "greater than or equal to 1"
            if not entries
            else f"less than or equal to {_MOST_ENTRIES}"
        )
        message = (
            f"1 validation error detected: Value '{len(entries)}' at 'entries' failed to satisfy "
            f"constraint: Member must have length {bound}"
        )
        return "ValidationException", message
    if sum(map(_size, entries)) > _MOST_BYTES:
        message = "Total size of the entries in the request is over the limit."
        return "ValidationException", message
    return None


def _size(entry: Mapping[str, Any]) -> int:
    """An entry's bytes (User Guide, "Calculating PutEvents event entry size")."""
    texts = [entry.get(name, "") for name in _REQUIRED] + entry.get("Resources", [])
    size = sum(len(str(text).encode(errors="replace")) for text in texts)
    return size + (_TIME_BYTES if "Time" in entry else 0)


def _seconds(time: Any) -> float:
    """A timestamp of the protocol, a number, or one in text; raise for what is neither."""
    if isinstance(time, str):
        found = datetime.fromisoformat(time)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return float(time)


def _pattern_problem(pattern: Any) -> str | None:
    found = _parsed(pattern)
    if found is None:
        return None  # said already, or no pattern at all
    try:
        compile_pattern(found)
    except PatternError as error:
        return str(error)
    return None


def _parsed(text: Any) -> Any:
    """What JSON text says; None if it is none."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (TypeError, ValueError, RecursionError):
        return None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
