"""The context object of a handler, as the Lambda developer guide and awslambdaric define it."""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import Any

_W3C_FIELDS = ("traceparent", "tracestate", "baggage")


class _Fields:
    """An object made from a dictionary: a field that it has not is None."""

    __slots__: tuple[str, ...] = ()

    def __init__(self, values: dict[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, values.get(name))

    def __repr__(self) -> str:
        fields = ",".join(f"{name}={getattr(self, name)}" for name in self.__slots__)
        return f"{type(self).__name__}([{fields}])"


class CognitoIdentity(_Fields):
    """Who called through Cognito; the emulator never says so."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")


class Client(_Fields):
    """The mobile application that called."""

    __slots__ = (
        "app_package_name",
        "app_title",
        "app_version_code",
        "app_version_name",
        "installation_id",
    )


class ClientContext(_Fields):
    """What the caller gave as X-Amz-Client-Context."""

    __slots__ = ("client", "custom", "env")

    client: Client | None

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        client = values.get("client")
        self.client = None if client is None else Client(client)


class LambdaContext:
    """What a handler gets beside its event."""

    log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
    log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
    function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
    memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")

    def __init__(
        self,
        request_id: str,
        function_arn: str,
        deadline_ms: int,
        *,
        client_context: Any = None,
        cognito_identity: Any = None,
        tenant_id: str | None = None,
    ) -> None:
        self.aws_request_id = request_id
        self.invoked_function_arn = function_arn
        self.tenant_id = tenant_id
        self._deadline_ms = deadline_ms
        self._w3c = _take_w3c(client_context)
        self.client_context = None if client_context is None else ClientContext(client_context)
        identity = cognito_identity or {}
        self.identity = CognitoIdentity(
            {
                "cognito_identity_id": identity.get("cognitoIdentityId"),
                "cognito_identity_pool_id": identity.get("cognitoIdentityPoolId"),
            }
        )

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function times out; never less than 0."""
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def w3c(self) -> dict[str, str]:
        """The W3C trace context that came with the invocation."""
        return dict(self._w3c)

    def log(self, message: object) -> None:
        """Write to the function's log, without a line end of its own."""
        for handler in logging.getLogger().handlers:
            if hasattr(handler, "log_sink"):
                handler.log_sink.log(str(message))
                return
        sys.stdout.write(str(message))

    def __repr__(self) -> str:
        names = (
            "aws_request_id",
            "log_group_name",
            "log_stream_name",
            "function_name",
            "memory_limit_in_mb",
            "function_version",
            "invoked_function_arn",
            "client_context",
            "identity",
            "tenant_id",
        )
        fields = ",".join(f"{name}={getattr(self, name)}" for name in names)
        return f"LambdaContext([{fields}])"


def _take_w3c(client_context: Any) -> dict[str, str]:
    """Take `w3c` out of the client context: only its known fields, only text."""
    fields = client_context.pop("w3c", None) if isinstance(client_context, dict) else None
    if not isinstance(fields, dict):
        return {}
    return {name: fields[name] for name in _W3C_FIELDS if isinstance(fields.get(name), str)}
