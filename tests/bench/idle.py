"""What a started system costs while nobody asks it anything: CPU and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.bench import systems
from tests.bench.processes import cpu_s, descendants, memory_mb
from tests.bench.runs import Run

BENCH = "idle"
CPU = "CPU of the whole system"
MEMORY = "memory of the emulator"
_SETTLE_S = 5.0
_WATCH_S = 10.0
_START_S = 120.0


def measure(run: Run) -> None:
    """Start everything once, leave it alone, look at all its processes."""
    run.say("idle: starting the whole system")
    home = run.folder / "home"
    env = {**os.environ, "PAYWRIGHT_HOME": str(home)}
    command = [sys.executable, "-m", "cli.main"]
    try:
        _call([*command, "up", "--detach"], env)
        pids = _processes(home)
        run.say("idle: letting it settle, then watching it")
        time.sleep(_SETTLE_S)
        before = {pid: cpu_s(pid) for pid in pids}
        time.sleep(_WATCH_S)
        used = {pid: cpu_s(pid) - before[pid] for pid in pids}
        emulator = next(pid for pid in pids if _is_emulator(pid))
        add = run.figures.add
        add(BENCH, CPU, "% of a core", systems.EMULATOR, sum(used.values()) / _WATCH_S * 100)
        share = used[emulator] / _WATCH_S * 100
        add(BENCH, "CPU of the emulator alone", "% of a core", systems.EMULATOR, share)
        add(BENCH, MEMORY, "MB", systems.EMULATOR, memory_mb(emulator))
    finally:
        _call([*command, "down"], env)
    cpu = run.figures.median(BENCH, CPU, systems.EMULATOR)
    memory = run.figures.median(BENCH, MEMORY, systems.EMULATOR)
    run.figures.expect("idle: at most 2 % of a core", cpu, "%", at_most=2)
    run.figures.expect("idle: emulator at most 120 MB", memory, "MB", at_most=120)


def _call(command: list[str], env: dict[str, str]) -> None:
    subprocess.run(command, env=env, check=True, capture_output=True, timeout=_START_S)


def _processes(home: Path) -> list[int]:
    """All processes of the system: its supervisor and what descends from it."""
    state = json.loads((home / "run" / "state.json").read_text())
    return descendants(state["supervisor"]["pid"])


def _is_emulator(pid: int) -> bool:
    return b"-m\0emulator\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
