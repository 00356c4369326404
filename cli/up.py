"""`paywright up` and `down`: the supervisor in the foreground or behind, and its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from cli.errors import Failure
from cli.livelog import LiveLog
from cli.paths import CHECKOUT, Home, open_private
from cli.progress import PipeProgress, Progress, on_terminal, play
from cli.state import Lock, Urls, clean_leftovers, running
from cli.system import System
from emulator.services.process import bound_log

_WATCH_S = 0.25
_OTHER_START_TIMEOUT_S = 90
_STOP_TIMEOUT_S = 45
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stop(BaseException):
    """A signal asked for the end; like KeyboardInterrupt, no code in between may catch it."""


def up(*, detach: bool, as_json: bool, parameters: Mapping[str, str]) -> None:
    """Start the system, or say that it runs. Raises Failure.

    `parameters` are values of the template's, beyond what a local run needs.
    """
    home = Home.find()
    home.make()
    lock = Lock(home.lock_file)
    if not lock.acquire():
        _show_ready(home, _running_elsewhere(home), as_json=as_json, already=True)
        if parameters:
            print(
                "It keeps its parameters: `paywright down` first, to start with others.",
                file=sys.stderr,
            )
    elif detach:
        lock.release()
        urls = _start_behind(home, on_terminal(quiet=as_json), parameters)
        _show_ready(home, urls, as_json=as_json)
    else:
        _run_here(home, parameters, as_json=as_json)


def supervise_behind(descriptor: int, parameters: Mapping[str, str]) -> None:
    """Be the supervisor that `up --detach` started; tell it over the pipe how the start goes."""
    home = Home.find()
    pipe = PipeProgress(descriptor)
    lock = Lock(home.lock_file)
    if not lock.acquire():
        pipe.close("running")
        return
    system = System(home, pipe, parameters)
    with _stopping(system):
        try:
            system.start()
        except (Failure, Stop) as error:
            pipe.close("failed", str(error) or "The start was interrupted.")
            raise
        pipe.close("ready")
        _watch(system, lambda: None, lambda line: print(line, flush=True))


def down() -> str:
    """Stop the system, whatever became of its supervisor; what was done, in a sentence."""
    home = Home.find()
    state = running(home)
    if state is None:
        ended = clean_leftovers(home)
        if ended:
            return f"Paywright's supervisor was gone; ended what it left: {', '.join(ended)}."
        return "Paywright is not running."
    state.supervisor.send(signal.SIGTERM)
    if not state.supervisor.wait_gone(_STOP_TIMEOUT_S):
        state.supervisor.stop((signal.SIGKILL,))
    clean_leftovers(home)
    return "Paywright is stopped."


def _run_here(home: Home, parameters: Mapping[str, str], *, as_json: bool) -> None:
    progress = on_terminal(quiet=as_json)
    system = System(home, progress, parameters)
    log = LiveLog()
    with _stopping(system):
        try:
            urls = system.start()
        finally:
            progress.finish()
        _show_ready(home, urls, as_json=as_json)
        if not as_json:
            print("\nPress Ctrl-C to stop everything.\n", flush=True)
            logs = [part.log for part in system.parts]
            own = [file for file in logs if file.stem in ("emulator", "receiver")]
            log.follow(own, [file for file in logs if file not in own])
        _watch(system, log.turn, log.say)


def _watch(system: System, turn: Callable[[], None], say: Callable[[str], None]) -> NoReturn:
    """Mend what breaks, until a signal comes."""
    while True:
        threading.Event().wait(_WATCH_S)
        turn()
        for line in system.mend():
            say(line)


@contextmanager
def _stopping(system: System) -> Iterator[None]:
    """End the system when the block ends, for whatever reason; a signal is a reason."""

    def stop(signum: int, _frame: object) -> None:
        raise Stop(signal.Signals(signum).name)

    for signum in _STOPPING:
        signal.signal(signum, stop)
    try:
        yield
    except Stop:
        print("stopping", flush=True)
    finally:
        for signum in _STOPPING:
            signal.signal(signum, signal.SIG_IGN)
        system.stop()


def _start_behind(home: Home, progress: Progress, parameters: Mapping[str, str]) -> Urls:
    """Start the supervisor in a session of its own and follow it until the system is ready."""
    read_end, write_end = os.pipe()
    log = home.logs / "supervisor.log"
    bound_log(log)
    with open_private(log) as output:
        supervisor = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "cli.up", str(write_end), json.dumps(dict(parameters))],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=CHECKOUT,
            pass_fds=[write_end],
            start_new_session=True,
        )
    os.close(write_end)
    last: tuple[str, str] | None = None
    try:
        with os.fdopen(read_end) as pipe:
            for line in pipe:
                last = play(line, progress)
    except KeyboardInterrupt:
        supervisor.terminate()
        supervisor.wait(_STOP_TIMEOUT_S)
        raise
    finally:
        progress.finish()
    kind, text = last or ("failed", f"The supervisor died at its start; its log is {log}.")
    if kind == "failed":
        supervisor.wait(_STOP_TIMEOUT_S)
        raise Failure(text)
    supervisor.returncode = 0  # it lives on: not ours to wait for
    return _running_elsewhere(home)


def _running_elsewhere(home: Home) -> Urls:
    """The URLs of the system that another process runs or is about to have running."""
    deadline = time.monotonic() + _OTHER_START_TIMEOUT_S
    while time.monotonic() < deadline:
        state = running(home)
        if state is not None and state.urls is not None:
            return state.urls
        if state is None and _nobody_has(home.lock_file):
            raise Failure("Another `paywright up` was starting the system and has failed.")
        time.sleep(0.05)
    raise Failure("Another `paywright up` is starting the system and does not get ready.")


def _nobody_has(lock_file: Path) -> bool:
    lock = Lock(lock_file)
    if not lock.acquire():
        return False
    lock.release()
    return True


def _show_ready(home: Home, urls: Urls, *, as_json: bool, already: bool = False) -> None:
    if as_json:
        print(json.dumps(asdict(urls)), flush=True)
        return
    from cli import clock  # noqa: PLC0415 - only for people
    from cli.database import without_password  # noqa: PLC0415
    from cli.merchants import curl_line, demo  # noqa: PLC0415

    merchant = demo(home)
    rows: list[tuple[str, Any]] = [
        ("API", urls.gateway_url),
        ("Lambda", urls.lambda_url),
        ("AWS endpoint", urls.aws_endpoint_url),
        ("PostgreSQL", without_password(urls.database_url)),
        ("Valkey", without_password(urls.valkey_url)),
        ("webhooks came", f"{urls.receiver_url}/received"),
        ("API key", merchant.api_key),
        ("data and logs", home.folder),
    ]
    offset = clock.ahead(home)
    if offset:
        rows.append(("clock", f"{clock.words(offset)} ahead, until `paywright reset`"))
    print("\nPaywright is already running." if already else "\nPaywright is ready.")
    for name, value in rows:
        print(f"  {name:14} {value}")
    print(f"\nTake a payment:\n\n{curl_line(urls, merchant)}", flush=True)


if __name__ == "__main__":
    try:
        supervise_behind(int(sys.argv[1]), json.loads(sys.argv[2]))
    except Failure as failure:
        sys.exit(f"paywright: {failure}")
