"""Retires a function's warm environments when a file of its code or layers changes."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Collection, Sequence
from importlib.util import cache_from_source
from pathlib import Path

from emulator.logs import Kind, LogSink
from emulator.runtime.environment import Environment, State
from emulator.runtime.pool import FunctionPool
from emulator.runtime.watching import watch as watch_files

# Editors write a file in several steps, and a checkout many files: one line tells of them.
_SETTLED_S = 0.05
_LONGEST_S = 1.0
# What editors make and remove beside a file: vim, sed -i, GNOME, Emacs, KDE.
_TEMPORARY = re.compile(
    r"\d+|.*~|sed\w{6}|\.goutputstream-\w+|#.*#|\.#.*|.*\.(?:sw\w|tmp|kate-swp|bak)"
)


async def watch(pools: Sequence[FunctionPool], sink: LogSink) -> None:
    """Run until cancelled."""
    reload = _Reload(pools, sink)
    if not reload.folders:
        return
    try:
        await watch_files(reload.folders, reload.changed)
    except OSError as error:
        sink(
            Kind.PLATFORM,
            f"changes of code are not noticed, restart to apply them: {error.strerror}",
            level="WARNING",
        )


class _Reload:
    """Retires at once, for every change; says so when the changes have come to an end."""

    def __init__(self, pools: Sequence[FunctionPool], sink: LogSink) -> None:
        self._roots = {pool: _roots(pool) for pool in pools}
        self.folders = {root for roots in self._roots.values() for root in roots if root.is_dir()}
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._settling: dict[FunctionPool, _Burst] = {}

    def changed(self, paths: Collection[Path]) -> None:
        """Let what is idle go, so that a request that follows runs what is there now."""
        for path in paths:
            _forget_compiled(path)
        for pool, roots in self._roots.items():
            own = [path for path in paths if any(path.is_relative_to(root) for root in roots)]
            burst = self._settling.get(pool)
            if not own or (burst is None and not pool.environments):
                continue
            if burst is None:
                burst = self._settling[pool] = _Burst(self._loop.time())
                pool.retire()
            elif any(_has_read_its_code(each) for each in pool.environments):
                pool.retire()
            burst.paths.update(own)
            burst.number += 1
            self._settle_later(pool, burst)

    def _settle_later(self, pool: FunctionPool, burst: _Burst) -> None:
        if burst.timer is not None:
            burst.timer.cancel()
        due = min(self._loop.time() + _SETTLED_S, burst.began + _LONGEST_S)
        burst.timer = self._loop.call_at(due, self._settled, pool, burst)

    def _settled(self, pool: FunctionPool, burst: _Burst) -> None:
        del self._settling[pool]
        if burst.number > 1:
            pool.retire()  # what began in between may have read half of it
        text = f"{_named(burst.paths)} changed: the next request runs the new code"
        self._sink(Kind.PLATFORM, text, function=pool.function.name)


class _Burst:
    """Changes that follow each other closely."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.paths: set[Path] = set()
        self.number = 0
        self.timer: asyncio.TimerHandle | None = None


def _has_read_its_code(environment: Environment) -> bool:
    return environment.state is not State.STARTING and not environment.retired


def _named(paths: Collection[Path]) -> str:
    """The file that people know: there now, and no editor's temporary one."""

    def rank(path: Path) -> tuple[bool, bool, str]:
        return bool(_TEMPORARY.fullmatch(path.name)), not path.is_file(), path.name

    return min(paths, key=rank).name


def _forget_compiled(path: Path) -> None:
    """Python takes a compiled file for current whose source has the same second and size."""
    if path.suffix == ".py":
        with contextlib.suppress(OSError):
            Path(cache_from_source(str(path))).unlink(missing_ok=True)


def _roots(pool: FunctionPool) -> tuple[Path, ...]:
    function = pool.function
    return tuple(path.resolve() for path in (function.code_dir, *function.layer_dirs))
