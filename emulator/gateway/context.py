"""The `$context` variables of one request, for access logs and identity sources.

Source: API Gateway developer guide, "Customize HTTP API access logs".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulator.gateway.event import Sighting, Verdict, domain_name, request_time
from emulator.http1 import Request
from emulator.template.model import HttpApi

_VARIABLE = re.compile(r"\$context((?:\.[A-Za-z0-9_-]+)+)")


@dataclass(frozen=True)
class ContextVariables:
    """What an API's requests have in common, and how to tell the rest."""

    api: HttpApi
    account_id: str

    def of(self, request: Request, sighting: Sighting, route_key: str) -> dict[str, str]:
        """The variables that are known before the request is answered."""
        domain = domain_name((request.header(b"host") or b"localhost").decode("latin-1"))
        agent = request.header(b"user-agent") or b""
        return {
            "accountId": self.account_id,
            "apiId": self.api.api_id,
            "domainName": domain,
            "domainPrefix": domain.partition(".")[0],
            "extendedRequestId": sighting.request_id,
            "httpMethod": request.method,
            "identity.sourceIp": request.peer,
            "identity.userAgent": agent.decode("latin-1"),
            "path": request.target.decode(errors="replace").partition("?")[0],
            "protocol": "HTTP/1.1",
            "requestId": sighting.request_id,
            "requestTime": request_time(int(sighting.epoch_s)),
            "requestTimeEpoch": str(int(sighting.epoch_s * 1000)),
            "routeKey": route_key,
            "stage": self.api.stage,
        }


@dataclass(frozen=True)
class Answered:
    """What is known once a request is answered; `own_answer` is the gateway's message, if its."""

    status: int
    length_bytes: int
    latency_ms: float
    integration_ms: float | None
    integration_id: str | None
    own_answer: str | None
    complaint: str | None
    verdict: Verdict | None

    def variables(self) -> dict[str, str]:
        """Their values by the variables' names."""
        values: dict[str, Any] = {
            "status": self.status,
            "responseLength": self.length_bytes,
            "dataProcessed": self.length_bytes,
            "responseLatency": round(self.latency_ms),
        }
        if self.own_answer is not None:
            values["error.message"] = self.own_answer
            values["error.messageString"] = f'"{self.own_answer}"'
        if self.verdict is not None:
            told = {**(self.verdict.context or {}), "principalId": self.verdict.principal_id}
            values |= {f"authorizer.{name}": value for name, value in told.items()}
            values["authorizer.error"] = self.verdict.error
        if self.integration_ms is not None:
            shared = {"latency": round(self.integration_ms), "requestId": self.integration_id}
            values |= {f"integration.{name}": value for name, value in shared.items()}
            values["integration.error"] = values["integrationErrorMessage"] = self.complaint
            values["integrationLatency"] = shared["latency"]
            values["awsEndpointRequestId"] = self.integration_id
            if self.own_answer is None:
                values["integration.status"] = self.status
                values["integrationStatus"] = values["integration.integrationStatus"] = 200
        return {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in values.items()
            if value is not None
        }


class AccessLogFormat:
    """A line with `$context` variables."""

    def __init__(self, template: str) -> None:
        # Every second piece is a variable's name.
        self._pieces = _VARIABLE.split(template)

    def line(self, variables: Mapping[str, str]) -> str:
        """The line of one request; a variable that has no value is a dash."""
        pieces = self._pieces.copy()
        for index in range(1, len(pieces), 2):
            pieces[index] = variables.get(pieces[index][1:], "-") or "-"
        return "".join(pieces)
