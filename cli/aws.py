"""boto3 clients for commands: of the running system, of another endpoint, or of AWS itself."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from cli.errors import Failure
from cli.state import Emulated, Urls

Place = Emulated | str | None
"""Where a command works: what runs here, an endpoint's URL, or (None) AWS."""

_LOCALSTACK = ".localhost.localstack.cloud"  # names 127.0.0.1 everywhere
_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 30  # SQS's longest long poll, and a little


def place(endpoint_url: str | None, on_aws: bool) -> Place:
    """What a command's options choose; without any, what runs here (Failure if nothing does)."""
    if endpoint_url and on_aws:
        raise Failure("--endpoint-url and --aws exclude each other.")
    if on_aws:
        return None
    if endpoint_url:
        if urlsplit(endpoint_url).scheme not in ("http", "https"):
            raise Failure("--endpoint-url takes a URL such as http://127.0.0.1:4566.")
        return endpoint_url
    from cli.addressed import addressed  # noqa: PLC0415 - only here
    from cli.paths import Home  # noqa: PLC0415

    return addressed(Home.find())


def client(service: str, where: Place) -> Any:
    """A boto3 client of one service.

    The running Paywright is met with the credentials and the region that its emulator has. A
    loopback endpoint gets dummies for what the environment does not give; any other one, and AWS,
    the user's own. Failure if there are none, or if what runs here has no endpoint.
    """
    boto3: Any = import_module("boto3")  # here: it takes a third of a second
    config: Any = import_module("botocore.config").Config(
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=_READ_TIMEOUT_S,
        retries={"total_max_attempts": 3, "mode": "standard"},
        ignore_configured_endpoint_urls=True,
    )
    with told():
        session = boto3.Session(**_settings(where))
        return session.client(service, endpoint_url=endpoint_of(where), config=config)


@contextmanager
def told() -> Iterator[None]:
    """Turn what AWS refuses, and what keeps a client from asking it, into a Failure."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see `client`

    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {})
        reason = said.get("Message") or said.get("Code") or str(error)
        raise Failure(f"{error.operation_name} was refused: {reason.rstrip('.')}.") from error
    except BotoCoreError as error:
        raise Failure(f"{str(error).rstrip('.')}.") from error


def error_code(failure: Failure) -> str:
    """AWS's code of what `told` has turned into a Failure; else an empty text."""
    response: Any = getattr(failure.__cause__, "response", {})
    return str(response.get("Error", {}).get("Code", ""))


def _settings(where: Place) -> dict[str, str]:
    given = dict(os.environ)
    if isinstance(where, Urls):
        from cli.parts import aws_environment  # noqa: PLC0415 - only here

        given = aws_environment(where.aws_endpoint_url)
    endpoint = endpoint_of(where)
    if endpoint is None or not _is_loopback(endpoint):
        # botocore itself knows the older AWS_DEFAULT_REGION only.
        return {"region_name": given["AWS_REGION"]} if given.get("AWS_REGION") else {}
    return {
        "aws_access_key_id": given.get("AWS_ACCESS_KEY_ID", "test"),
        "aws_secret_access_key": given.get("AWS_SECRET_ACCESS_KEY", "test"),
        "region_name": given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION", "us-east-1"),
    }


def endpoint_of(where: Place) -> str | None:
    """The URL that a place's services are at, None for AWS's own; Failure if it has none."""
    if not isinstance(where, Emulated):
        return where
    if where.aws_endpoint_url is None:
        raise Failure("The application that runs here has no queues, buses or schedules.")
    return where.aws_endpoint_url


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return f".{host}".endswith((".localhost", _LOCALSTACK))
