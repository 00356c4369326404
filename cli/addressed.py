"""Which running emulator commands go to: Paywright's own, else one that runs another application.

`paywright up` and `paywright emulator` both say in the home folder where they are.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from cli.errors import Failure
from cli.paths import Home, read_private
from cli.state import Emulated, require_running, running
from emulator import rundir
from emulator.services.process import Identity

_OTHER_HOME = "set PAYWRIGHT_HOME to another folder, here and for the commands, to have them"


def addressed(home: Home) -> Emulated:
    """Where the emulator is that commands go to; Failure if none runs."""
    if running(home) is None and (alone := emulator_alone(home)) is not None:
        return alone
    if running(home) is None:
        raise Failure(
            "Nothing runs here: start Paywright with `paywright up`, or another application with "
            "`paywright emulator --template PATH`."
        )
    return require_running(home)


def emulator_alone(home: Home) -> Emulated | None:
    """Where the `paywright emulator` of this home is; None if none runs."""
    said = read_private(rundir.record_file(home.alone))
    try:
        if not said or not Identity(said["pid"], said["started"]).alive():
            return None
        return Emulated(said["gateway_url"], said["lambda_url"], said["aws_endpoint_url"])
    except KeyError:
        return None


def log_of(home: Home) -> Path:
    """The log of the emulator that commands go to, else of the one that ran last."""
    own, alone = home.logs / "emulator.log", rundir.log_file(home.alone)
    if running(home) is not None:
        return own
    if emulator_alone(home) is not None:
        return alone
    return max(own, alone, key=_written_at)


def arguments(home: Home, given: Sequence[str]) -> list[str]:
    """What `python -m emulator` is given, so that commands find it.

    What they will not find is said; it runs all the same.
    """
    if any(each.partition("=")[0] in ("--run-dir", "--help", "-h") for each in given):
        return list(given)
    if emulator_alone(home) is not None:
        _note(f"Another emulator runs here, and commands go to that one: {_OTHER_HOME} go to this.")
        return list(given)
    try:
        home.alone.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        _note(f"Commands will not find it: {home.alone} cannot be made: {error.strerror}.")
        return list(given)
    if running(home) is not None:
        _note(f"Paywright runs here, and commands go to that: {_OTHER_HOME} go to this.")
    return [*given, "--run-dir", str(home.alone)]


def _note(text: str) -> None:
    print(f"paywright: {text}", file=sys.stderr, flush=True)


def _written_at(log: Path) -> float:
    try:
        return log.stat().st_mtime
    except OSError:
        return 0.0
