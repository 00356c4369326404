"""A template that changes while its application runs: what of it can be applied is.

Functions are what developers change most, and any of their properties can be changed between two
requests. What else differs is named, for a restart to apply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from watchfiles import Change, awatch

from emulator.logs import Kind, LogSink
from emulator.template.errors import TemplateError
from emulator.template.model import Application, Function, HttpApi

_DEBOUNCE_MS = 150
_STEP_MS = 50
_TIMEOUT_MS = 60_000
_MAX_NAMED = 8


@dataclass(frozen=True)
class Difference:
    """What separates a new template from what runs.

    `functions` are those that are new or changed, by name; `elsewhere` names what needs a restart.
    """

    functions: Mapping[str, Function]
    elsewhere: tuple[str, ...]


def difference(running: Application, wanted: Application) -> Difference:
    """Compare two readings of a template."""
    changed = {
        name: function
        for name, function in wanted.functions.items()
        if running.functions.get(name) != function
    }
    gone = [f"function {name}" for name in running.functions if name not in wanted.functions]
    parts = zip(_parts(running), _parts(wanted), strict=True)
    return Difference(changed, (*gone, *(name for a, b in parts for name in _differing(a, b))))


def _parts(app: Application) -> Iterator[dict[str, Any]]:
    """Everything but the functions, by what a person calls it."""
    apis = [replace(api, routes=()) for api in app.http_apis]
    yield {f"HTTP API {api.logical_id}": api for api in apis}
    yield {f"route {route.key}": (api, route) for api, route in _routes(app.http_apis)}
    yield {f"queue {queue.name}": queue for queue in app.queues}
    yield {f"mapping of {m.queue_name} to {m.function}": m for m in app.mappings}
    yield {f"bus {bus.name}": bus for bus in app.buses}
    yield {f"rule {rule.name}": rule for rule in app.rules}
    yield {f"schedule {schedule.name}": schedule for schedule in app.schedules}
    yield {f"schedule group {name}": name for name in app.schedule_groups}


def _routes(apis: Iterable[HttpApi]) -> Iterator[tuple[str, Any]]:
    for api in apis:
        for route in api.routes:
            yield api.logical_id, route


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    return [name for name in {**a, **b} if a.get(name) != b.get(name)]


def summary(former: Function | None, function: Function) -> str:
    """Say what about a function is new."""
    if former is None:
        return "new in the template"
    names = [
        each.name.removesuffix("_s").removesuffix("_mb").replace("_", " ")
        for each in fields(Function)
        if getattr(former, each.name) != getattr(function, each.name)
    ]
    return f"{', '.join(names)} changed in the template"


class TemplateWatch:
    """Reads the template again whenever its file changes, and keeps to the last one that worked."""

    def __init__(
        self,
        app: Application,
        load: Callable[[], Application],
        apply: Callable[[Application, Mapping[str, Function]], None],
        sink: LogSink,
    ) -> None:
        """`apply` is given the application as it then runs, and the functions that are new."""
        self._app = app
        self._load = load
        self._apply = apply
        self._sink = sink

    async def run(self) -> None:
        """Watch until cancelled."""
        path = self._app.template_path.resolve()

        def is_template(_: Change, changed: str) -> bool:
            return changed == str(path)

        # The folder, not the file: editors replace the file.
        async for _ in awatch(
            path.parent,
            watch_filter=is_template,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            rust_timeout=_TIMEOUT_MS,
            recursive=False,
        ):
            self._read()

    def _read(self) -> None:
        name = self._app.template_path.name
        try:
            wanted = self._load()
        except (TemplateError, OSError) as error:
            self._say(f"{error}; the template goes on as it was", "ERROR")
            return
        for warning in wanted.warnings:
            if warning not in self._app.warnings:
                self._say(warning, "WARNING")
        found = difference(self._app, wanted)
        for function in found.functions.values():
            former = self._app.functions.get(function.name)
            text = f"{summary(former, function)}: the next request runs by it"
            self._sink(Kind.PLATFORM, text, function=function.name)
        self._app = replace(
            self._app,
            functions={**self._app.functions, **found.functions},
            warnings=wanted.warnings,
        )
        if found.functions:
            self._apply(self._app, found.functions)
        if found.elsewhere:
            more = len(found.elsewhere) - _MAX_NAMED
            names = ", ".join(found.elsewhere[:_MAX_NAMED]) + (f" and {more} more" * (more > 0))
            self._say(f"{name}: restart to apply what changed: {names}", "WARNING")
        elif not found.functions:
            self._say(f"{name} was written; nothing in it changed", "INFO")

    def _say(self, text: str, level: str) -> None:
        self._sink(Kind.PLATFORM, text, level=level)
