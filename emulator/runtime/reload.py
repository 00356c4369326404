"""Retires a function's warm environments when a file of its code or layers changes."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from importlib.util import cache_from_source
from pathlib import Path

from watchfiles import DefaultFilter, awatch

from emulator.logs import Kind, LogSink
from emulator.runtime.pool import FunctionPool

# Editors write a file in several steps; the Rust side of watchfiles gathers them.
_DEBOUNCE_MS = 300
_STEP_MS = 50
_TIMEOUT_MS = 60_000


async def watch(pools: Sequence[FunctionPool], sink: LogSink) -> None:
    """Run until cancelled."""
    roots = {pool: _roots(pool) for pool in pools}
    existing = {root for pool_roots in roots.values() for root in pool_roots if root.is_dir()}
    if not existing:
        return
    changes = awatch(
        *existing,
        watch_filter=DefaultFilter(),
        debounce=_DEBOUNCE_MS,
        step=_STEP_MS,
        rust_timeout=_TIMEOUT_MS,
        yield_on_timeout=False,
    )
    async for batch in changes:
        paths = [Path(path) for _, path in batch]
        for path in paths:
            _forget_compiled(path)
        for pool, pool_roots in roots.items():
            changed = [path for path in paths if any(path.is_relative_to(r) for r in pool_roots)]
            if changed and pool.environments:
                sink(
                    Kind.PLATFORM,
                    f"{changed[0].name} changed: the next request runs the new code",
                    function=pool.function.name,
                )
                pool.retire()


def _forget_compiled(path: Path) -> None:
    """Python takes a compiled file for current whose source has the same second and size."""
    if path.suffix == ".py":
        with contextlib.suppress(OSError):
            Path(cache_from_source(str(path))).unlink(missing_ok=True)


def _roots(pool: FunctionPool) -> tuple[Path, ...]:
    function = pool.function
    return tuple(path.resolve() for path in (function.code_dir, *function.layer_dirs))
