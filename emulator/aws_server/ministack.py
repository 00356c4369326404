"""MiniStack in this process, changed where the emulator needs more of it than it gives.

Its SQS is replaced, see `facade`; its schedules are stored and not fired.
"""

from __future__ import annotations

import collections
import functools
import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from emulator.aws_server import EDITION, events, mail, validation
from emulator.aws_server.versions import Version

_RULE_CHANGES = frozenset(
    f"AWSEvents.{action}"
    for action in (
        "PutRule",
        "DeleteRule",
        "EnableRule",
        "DisableRule",
        "PutTargets",
        "RemoveTargets",
        "CreateEventBus",
        "DeleteEventBus",
    )
)


def application(schedules: Version) -> Any:
    """Return MiniStack's ASGI application; `schedules` grows with each schedule or rule changed.

    Its settings are read from the environment; none of its modules may be imported yet.
    """
    os.environ["MINISTACK_EDITION"] = EDITION
    eventbridge: Any = import_module("ministack.services.eventbridge")
    scheduler: Any = import_module("ministack.services.scheduler")
    eventbridge.start_scheduler = scheduler.start_scheduler = _start_nothing
    # MiniStack keeps events of partners for ever in a list that nothing reads.
    nothing_kept: collections.deque[Any] = collections.deque(maxlen=0)
    eventbridge._events_log_list = lambda: nothing_kept
    _refuse_unknown_buses(eventbridge)
    validation.adapt(scheduler, eventbridge)
    events.adapt(eventbridge)
    _note_changes(
        eventbridge,
        schedules,
        lambda _method, headers: headers.get("x-amz-target", "") in _RULE_CHANGES,
    )
    _note_changes(scheduler, schedules, lambda method, _headers: method != "GET")
    ses: Any = import_module("ministack.services.ses")
    mail.adapt(ses)
    _note_changes(ses, Version(), lambda method, _headers: method == "POST")
    return import_module("ministack.app").app


def _note_changes(
    service: Any, version: Version, changes: Callable[[str, Mapping[str, str]], bool]
) -> None:
    """Let `version` grow with every successful call that `changes`, and save the service then.

    MiniStack saves at a clean stop only; what an operator made must survive any other end too.
    """
    persistence: Any = import_module("ministack.core.persistence")
    serve = service.handle_request
    name = service.__name__.rpartition(".")[2]

    @functools.wraps(serve)
    async def noted(method: str, path: str, headers: Mapping[str, str], *rest: Any) -> Any:
        answer = await serve(method, path, headers, *rest)
        if answer[0] < 400 and changes(method, headers):
            if persistence.PERSIST_STATE:
                persistence.save_state(name, service.get_state())
            version.grow()
        return answer

    service.handle_request = noted


def _refuse_unknown_buses(eventbridge: Any) -> None:
    """Let PutEvents refuse an entry for a bus that is not there, instead of dropping it.

    What is sent before its bus is made would be lost without a word.
    """
    resolve = eventbridge._event_bus_name_from_ref

    def resolve_known(reference: Any) -> tuple[Any, Any]:
        name, error = resolve(reference)
        if not error and name != "default" and name not in eventbridge._event_buses:
            error = ("ResourceNotFoundException", f"Event bus {name} does not exist.")
        return name, error

    eventbridge._event_bus_name_from_ref = resolve_known


def _start_nothing() -> None:
    """Stand in for MiniStack's scheduler threads."""
