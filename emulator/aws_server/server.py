"""The endpoint's one port, and who serves what comes in there."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from urllib.parse import urlsplit

from emulator.aws_server import facade, ministack
from emulator.aws_server.bridge import AsgiBridge
from emulator.aws_server.control import PREFIX, Control
from emulator.aws_server.sqs import SqsService, Store, open_journal
from emulator.aws_server.sqs.service import TARGET_PREFIX, Defaults
from emulator.aws_server.sqs.store import DEFAULT_LIMIT_BYTES
from emulator.aws_server.versions import Version
from emulator.http1 import HttpServer, Limits, Request

_LIMITS = Limits(head_bytes=65_536, body_bytes=512 * 1024 * 1024)
_GRACE_S = 1.0
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_FOREIGN = b'{"__type":"AccessDeniedException","message":"Not for web pages of other hosts."}'


class AwsServer:
    """Hands every request to who serves it.

    `state` is where things are kept, None for nowhere; `limit_bytes` is what messages may take.
    """

    def __init__(
        self, defaults: Defaults, state: Path | None, limit_bytes: int = DEFAULT_LIMIT_BYTES
    ) -> None:
        schedules = Version()
        self._store = Store(open_journal(state), limit_bytes=limit_bytes)
        self._sqs = SqsService(self._store, defaults)
        self._control = Control(self._store, schedules)
        self._ministack = AsgiBridge(ministack.application(schedules))
        facade.install(self._sqs)
        self._http = HttpServer(self._dispatch, _LIMITS)

    async def start(self, host: str, port: int) -> None:
        """Load what was kept, then listen; raises OSError when the port is taken."""
        self._store.restore()
        await self._ministack.start()
        await self._http.listen(host, port)

    async def stop(self) -> None:
        """Take nothing more, then save."""
        await self._sqs.stop()
        await self._control.stop()
        await self._http.close(_GRACE_S)
        await self._ministack.stop()
        self._store.close()

    def _dispatch(self, request: Request) -> None:
        if request.refusal:
            request.respond(request.refusal)
        elif not _may_ask(request):
            request.respond_json(403, _FOREIGN)
        elif _is_sqs(request):
            self._sqs.serve(request)
        elif request.target.startswith(PREFIX):
            self._control.serve(request)
        else:
            self._ministack(request)


def _may_ask(request: Request) -> bool:
    """Whether this is no web page, or one of this machine: signatures are not checked here.

    Pages show by their Origin, by Sec-Fetch-Site where browsers send no Origin, and by the name
    of a host of theirs that was made to resolve to this machine.
    """
    origin = request.header(b"origin")
    if origin is not None and not _is_local(urlsplit(origin.decode("latin-1")).hostname):
        return False
    if request.header(b"sec-fetch-site") in {b"cross-site", b"same-site"} and origin is None:
        return False
    host = request.header(b"host")
    return host is None or _is_local(urlsplit(f"//{host.decode('latin-1')}").hostname)


def _is_local(host: str | None) -> bool:
    """Whether a name is this machine's; S3's clients put a bucket's name in front."""
    return host is not None and (host in _LOCAL_HOSTS or host.endswith(".localhost"))


def _is_sqs(request: Request) -> bool:
    """Whether this is for SQS; its older protocol, when unsigned, is MiniStack's to find out."""
    target = request.header(b"x-amz-target")
    if target is not None:
        return target.startswith(TARGET_PREFIX)
    return b"/sqs/aws4_request" in (request.header(b"authorization") or b"")


async def serve(host: str, port: int, stop: asyncio.Event) -> None:
    """Serve until `stop` is set, with MiniStack's settings, from the environment.

    One is ours: SQS_LIMIT_BYTES, what all messages together may take in memory.
    """
    environment = os.environ
    defaults = Defaults(
        account=environment.get("MINISTACK_ACCOUNT_ID", "000000000000"),
        region=environment.get("MINISTACK_REGION", "us-east-1"),
        host=f"{environment.get('MINISTACK_HOST', host)}:{port}",
    )
    keeps = environment.get("PERSIST_STATE") == "1"
    state = Path(environment.get("STATE_DIR", "/tmp/ministack-state")) if keeps else None  # noqa: S108
    limit = int(environment.get("SQS_LIMIT_BYTES", DEFAULT_LIMIT_BYTES))
    server = AwsServer(defaults, state, limit)
    await server.start(host, port)
    await stop.wait()
    await server.stop()
