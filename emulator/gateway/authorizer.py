"""Lambda authorizers: who may call a route, asked of a function and remembered for a while.

Source: API Gateway developer guide, "Control access to HTTP APIs with AWS Lambda authorizers".
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from emulator.gateway.context import ContextVariables
from emulator.gateway.event import EventBuilder, Question, Sighting, Verdict, query_parameters
from emulator.gateway.event_v1 import EventBuilderV1
from emulator.gateway.policy import Policy, PolicyError
from emulator.gateway.routes import Match
from emulator.http1 import Request
from emulator.invocations import InvokeResult, Throttled, UnknownFunction
from emulator.template.model import Authorizer, HttpApi

# Quotas page, HTTP API: authorizer timeout 10,000 ms.
TIMEOUT_S = 10.0
_MAX_RESULTS = 10_000

Key = tuple[str, tuple[str, ...]]


class Submitter(Protocol):
    """Starts invocations: the runtime."""

    def submit(
        self, function: str, payload: bytes, *, trace_id: str | None = None
    ) -> asyncio.Future[InvokeResult]:
        """Start one; raises Throttled or UnknownFunction."""
        ...


@dataclass(frozen=True)
class _Answer:
    """What an authorizer returned: leave for all, or a policy to be asked about each route."""

    decision: bool | Policy
    context: Mapping[str, Any] | None
    principal_id: str | None

    def verdict(self, arn: str) -> Verdict:
        decision = self.decision
        allowed = decision if isinstance(decision, bool) else decision.allows(arn)
        return Verdict(0 if allowed else 403, self.context, self.principal_id)


class Authorizers:
    """Asks the authorizers of one API, and keeps what they answered.

    Kept results are found by the values of the identity sources alone, as on AWS: one that was
    given for one route holds for all, unless `$context.routeKey` is among the sources.
    """

    def __init__(self, api: HttpApi, account_id: str, runtime: Submitter) -> None:
        self._api = api
        self._runtime = runtime
        self._variables = ContextVariables(api, account_id)
        self._builders: dict[str, EventBuilder | EventBuilderV1] = {
            "1.0": EventBuilderV1(api, account_id),
            "2.0": EventBuilder(api, account_id),
        }
        self._clock = asyncio.get_running_loop().time
        self._kept: dict[Key, tuple[float, _Answer]] = {}

    async def ask(
        self, authorizer: Authorizer, request: Request, match: Match, sighting: Sighting
    ) -> Verdict:
        """Whether the request may pass; never raises, whatever the function does."""
        arn = self._route_arn(request)
        identity = self._identity(authorizer, request, match, sighting)
        if identity is None:
            return Verdict(401)
        key = (authorizer.name, identity)
        answer = self._find(key)
        if answer is None:
            builder = self._builders[authorizer.payload_version]
            event = builder.for_authorizer(
                request, match.route.key, match.path_parameters, sighting, Question(arn, identity)
            )
            try:
                answer = await self._invoke(authorizer, event, sighting)
            except _Failure as failure:
                return Verdict(500, error=f"authorizer {authorizer.name}: {failure}")
            if authorizer.ttl_s and identity:
                self._keep(key, authorizer.ttl_s, answer)
        return answer.verdict(arn)

    def _route_arn(self, request: Request) -> str:
        path = request.target.decode(errors="replace").partition("?")[0]
        stage = self._api.stage
        if stage != "$default":
            path = path[len(stage) + 1 :] or "/"
        return f"{self._api.execution_arn}/{stage}/{request.method}{path}"

    def _identity(
        self, authorizer: Authorizer, request: Request, match: Match, sighting: Sighting
    ) -> tuple[str, ...] | None:
        """The values of all identity sources; None if one is missing or empty."""
        values = []
        for source in authorizer.identity_sources:
            value = self._value(source, request, match, sighting)
            if not value:
                return None
            values.append(value)
        return tuple(values)

    def _value(self, source: str, request: Request, match: Match, sighting: Sighting) -> str | None:
        kind, _, name = source.partition(".")
        if kind == "$stageVariables":
            return self._api.stage_variables.get(name)
        if kind == "$context":
            return self._variables.of(request, sighting, match.route.key).get(name)
        where, _, name = name.partition(".")
        if where == "querystring":
            query = request.target.decode(errors="replace").partition("?")[2]
            return query_parameters(query).get(name)
        wanted = name.lower().encode("latin-1", errors="replace")
        return ",".join(v.decode("latin-1") for key, v in request.headers if key == wanted)

    def _find(self, key: Key) -> _Answer | None:
        found = self._kept.get(key)
        if found is None:
            return None
        if found[0] > self._clock():
            return found[1]
        del self._kept[key]
        return None

    def _keep(self, key: Key, ttl_s: float, answer: _Answer) -> None:
        if len(self._kept) >= _MAX_RESULTS:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = (self._clock() + ttl_s, answer)

    async def _invoke(self, authorizer: Authorizer, event: bytes, sighting: Sighting) -> _Answer:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                result = await self._runtime.submit(
                    authorizer.function, event, trace_id=sighting.trace_id
                )
        except TimeoutError:
            raise _Failure(f"did not answer within {TIMEOUT_S:.0f} s") from None
        except Throttled as throttled:
            raise _Failure(f"throttled: {throttled}") from None
        except UnknownFunction:
            raise _Failure(f"there is no function {authorizer.function}") from None
        if result.function_error is not None:
            raise _Failure("the function failed")
        return _read(authorizer, result.payload)


class _Failure(Exception):
    """Why there is no answer; the client sees 500."""


def _read(authorizer: Authorizer, payload: bytes) -> _Answer:
    """What a function returned, in the form that its authorizer asks for."""
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        raise _Failure("its result is no JSON") from None
    if not isinstance(value, dict):
        raise _Failure("its result must be an object")
    context, principal_id = value.get("context"), value.get("principalId")
    if context is not None and not isinstance(context, dict):
        raise _Failure("context must be an object")
    if authorizer.simple_responses:
        allowed = value.get("isAuthorized")
        if not isinstance(allowed, bool):
            raise _Failure("a simple response needs isAuthorized, true or false")
        return _Answer(allowed, context, None)
    if principal_id is not None and not isinstance(principal_id, str):
        raise _Failure("principalId must be a text")
    try:
        return _Answer(Policy(value.get("policyDocument")), context, principal_id)
    except PolicyError as error:
        raise _Failure(str(error)) from None
