"""Entry point: serves until SIGTERM or SIGINT; a clean end saves everything."""

from __future__ import annotations

import asyncio
import os
import resource
import signal

import uvloop

from emulator.aws_server.server import serve

_DEFAULT_PORT = "4566"


async def _run() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    host = os.environ.get("BIND_HOST", "127.0.0.1")
    await serve(host, int(os.environ.get("GATEWAY_PORT", _DEFAULT_PORT)), stop)


def main() -> None:
    """Serve until told to stop."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(_run())


if __name__ == "__main__":
    main()
