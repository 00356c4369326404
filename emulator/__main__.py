"""`python -m emulator --template template.yaml`: the laptop's AWS for one SAM template."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import Any

import uvloop

from emulator import rundir
from emulator.app import Addresses, Emulator, SinkHandler, StartFailed
from emulator.aws import account_id
from emulator.logs import Kind, LogSink, LogWriter, Tee
from emulator.metrics import Type
from emulator.options import parse
from emulator.own_endpoint import own_endpoint
from emulator.rundir import RunDir
from emulator.runtime import RuntimeSettings, slices
from emulator.services import ServiceError
from emulator.template.errors import TemplateError
from emulator.template.model import Application
from emulator.template.parse import load

_COLLECT_AFTER = 20_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal; the exit code."""
    options = parse(argv)
    try:
        with _endpoint(options) as endpoint:
            return uvloop.run(_run(options, endpoint))
    except (StartFailed, TemplateError, ServiceError, OSError) as error:
        print(f"emulator: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


@contextmanager
def _endpoint(options: argparse.Namespace) -> Iterator[str | None]:
    """The AWS endpoint that is given, else one of our own if the template needs it."""
    given = options.aws_endpoint or os.environ.get("AWS_ENDPOINT_URL") or None
    if given is not None or not _read(options, None).kinds_on_endpoint:
        yield given
        return
    with own_endpoint(options.aws_data_dir) as url:
        yield url


def _read(options: argparse.Namespace, endpoint: str | None) -> Application:
    return load(
        options.template,
        _parameters(options),
        account_id=account_id(os.environ),
        aws_endpoint=endpoint,
    )


async def _run(options: argparse.Namespace, endpoint: str | None) -> int:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    slices.go_first(0)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as exits:
        folder = RunDir(options.run_dir) if options.run_dir is not None else None
        if folder is not None:
            exits.callback(folder.close)
        writers = _writers(options, folder)
        for writer in writers:
            exits.push_async_callback(writer.close)
        await _serve(options, endpoint, stopped, writers, folder)
    return 0


def _writers(options: argparse.Namespace, folder: RunDir | None) -> list[LogWriter]:
    """What writes the log: to standard output, and to the folder."""
    writers = [LogWriter(as_json=options.log_format == "json")]
    if folder is not None:
        writers.append(LogWriter(as_json=True, fd=folder.log))
    return writers


async def _serve(
    options: argparse.Namespace,
    endpoint: str | None,
    stopped: asyncio.Event,
    writers: Sequence[LogWriter],
    folder: RunDir | None,
) -> None:
    """Start, serve until stopped, stop."""
    sink: LogSink = writers[0] if len(writers) == 1 else Tee(writers)
    logging.basicConfig(level=logging.WARNING, handlers=[SinkHandler(sink)])
    logging.getLogger("emulator").setLevel(logging.INFO)
    emulator = _emulator(options, endpoint, sink)
    if endpoint is not None:
        sink(Kind.PLATFORM, f"AWS endpoint: {endpoint}")
    starting = asyncio.ensure_future(emulator.start())
    interrupted = asyncio.ensure_future(stopped.wait())
    await asyncio.wait({starting, interrupted}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return
    interrupted.cancel()
    _started(starting)
    emulator.runtime.metrics.read(
        "log_lines_dropped_total",
        Type.COUNTER,
        "Log lines that nobody read in time",
        lambda: [((), sum(writer.dropped for writer in writers))],
    )
    # What is here now stays: collections need not look at it again. A request leaves hardly any
    # cycles, so that looking every few requests, as Python does, finds nothing.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 100)
    keeping = None
    if folder is not None:
        folder.record(_addresses(emulator))
        keeping = asyncio.ensure_future(folder.keep_log_short())
    if options.ready_file is not None:
        rundir.write(options.ready_file, _addresses(emulator))
    await stopped.wait()
    if keeping is not None:
        keeping.cancel()
    sink(Kind.PLATFORM, "stopping")
    await emulator.stop()


def _started(starting: asyncio.Future[None]) -> None:
    """Raise what kept the emulator from starting, worded for people."""
    error = starting.exception()
    if error is None:
        return
    if isinstance(error, StartFailed | OSError):
        raise error
    raise StartFailed(f"cannot start: {type(error).__name__}: {error}") from error


def _emulator(options: argparse.Namespace, endpoint: str | None, sink: LogSink) -> Emulator:
    read = partial(_read, options, endpoint)
    app = read()
    variables = dict(options.env)
    if endpoint is not None:
        variables.setdefault("AWS_ENDPOINT_URL", endpoint)
    settings = RuntimeSettings(
        max_environments=options.max_environments,
        variables=variables,
        prewarm={name: int(count) for name, count in options.prewarm},
        client=options.runtime_client,
        reload=not options.no_reload,
    )
    unknown = sorted(set(settings.prewarm) - set(app.functions))
    if unknown:
        raise StartFailed(f"--prewarm: the template has no function {unknown[0]}")
    addresses = Addresses(options.host, options.port, options.lambda_port)
    return Emulator(
        app,
        sink,
        addresses=addresses,
        settings=settings,
        aws_endpoint=endpoint,
        load=read,
        clock_file=options.clock_file,
        state_file=options.state_file,
    )


def _parameters(options: argparse.Namespace) -> dict[str, str]:
    """Parameter values: the file's, then those of the command line."""
    values: dict[str, str] = {}
    if options.params_file is not None:
        try:
            content = json.loads(options.params_file.read_text())
        except ValueError as error:
            raise StartFailed(f"{options.params_file} is no JSON: {error}") from error
        if not isinstance(content, dict):
            raise StartFailed(f"{options.params_file} must hold one JSON object")
        values.update({name: str(value) for name, value in content.items()})
    values.update(options.param)
    return values


def _addresses(emulator: Emulator) -> dict[str, Any]:
    """Say where everything is."""
    return {
        "pid": os.getpid(),
        "gateway_url": emulator.gateway_url,
        "gateway_urls": emulator.gateway_urls,
        "lambda_url": emulator.lambda_url,
        "aws_endpoint_url": emulator.aws_endpoint,
    }


if __name__ == "__main__":
    sys.exit(main())
