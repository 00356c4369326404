"""HTTP APIs: AWS::Serverless::HttpApi, the implicit one, and the routes that functions declare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from emulator.template import catalogue
from emulator.template.authorization import Authorization, refuse_unknown
from emulator.template.definitions import Definition
from emulator.template.intrinsics import as_text
from emulator.template.model import Cors, HttpApi, Route, Throttle
from emulator.template.properties import Properties
from emulator.template.stack import IMPLICIT_API, Stack

_METHODS = frozenset({"ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_NOT_READ = {
    "DefinitionUri": "is not read; write it as DefinitionBody, or routes as function events",
    "Domain": "is not emulated; the API answers on its own port",
    "DisableExecuteApiEndpoint": "is not emulated; the API answers on its own port",
}


@dataclass(frozen=True)
class _Declared:
    """A route as its event declares it; what protects it is its API's to say."""

    route: Route
    event: Properties


@dataclass
class Apis:
    """Gathers routes while functions are read, then makes the APIs.

    `functions` has the physical name of each function by its name and ARN.
    """

    stack: Stack
    functions: Mapping[str, str]
    routes: dict[str, list[_Declared]] = field(default_factory=dict)

    def add(self, function: str, event: Properties) -> None:
        """Add the route of a function's HttpApi event."""
        refuse_unknown(event.section("Auth"), catalogue.ROUTE_AUTH)
        api_id = event.text("ApiId") or self.stack.ref(IMPLICIT_API)
        key = _route_key(event)
        routes = self.routes.setdefault(api_id, [])
        if any(declared.route.key == key for declared in routes):
            raise event.fail("Path", f"declares the route {key}, which another event has already")
        version = event.text("PayloadFormatVersion") or "2.0"
        if version not in ("1.0", "2.0"):
            raise event.fail("PayloadFormatVersion", "must be 1.0 or 2.0")
        timeout_ms = event.integer("TimeoutInMillis", minimum=50, maximum=30_000)
        throttle = _throttle(event.section("RouteSettings"))
        route = Route(key, function, timeout_ms or 30_000, throttle, version)
        routes.append(_Declared(route, event))

    def build(self) -> tuple[HttpApi, ...]:
        """Return every API that can be served; a route of an API outside the template is told."""
        apis = []
        known = set()
        for resource in self.stack.of_kind(catalogue.HTTP_API):
            known.add(resource.identity.ref)
            with self.stack.leaving_out(resource.logical_id):
                api_id = resource.identity.ref
                apis.append(self._api(resource.logical_id, api_id, resource.properties))
        implicit_id = self.stack.ref(IMPLICIT_API) if self.routes else ""
        if implicit_id in self.routes and implicit_id not in known:
            known.add(implicit_id)
            properties = self.stack.global_properties(catalogue.HTTP_API)
            with self.stack.leaving_out("the implicit HTTP API"):
                apis.append(self._api(IMPLICIT_API, implicit_id, properties))
        for api_id in self.routes.keys() - known:
            for declared in self.routes[api_id]:
                line, key = declared.event.line("ApiId"), declared.route.key
                self.stack.warn(line, f"no HTTP API here has the id {api_id}; {key} is left out")
        return tuple(apis)

    def _api(self, logical_id: str, api_id: str, properties: Properties) -> HttpApi:
        for key, consequence in _NOT_READ.items():
            if key in properties:
                reason = f"{properties.where}: {key} {consequence}"
                self.stack.warn(properties.line(key), reason)
        variables = properties.mapping("StageVariables")
        return HttpApi(
            logical_id=logical_id,
            api_id=api_id,
            stage=properties.text("StageName") or "$default",
            routes=self._protected(api_id, properties),
            cors=_cors(properties),
            throttle=_throttle(properties.section("DefaultRouteSettings")),
            stage_variables={name: as_text(value) for name, value in variables.items()},
            execution_arn=self.stack.place.arn("execute-api", api_id),
            access_log_format=self._access_log_format(properties.section("AccessLogSettings")),
        )

    def _protected(self, api_id: str, properties: Properties) -> tuple[Route, ...]:
        """Return the API's routes with what protects them and what RouteSettings gives them."""
        settings = properties.section("RouteSettings")
        authorization = Authorization(self.stack, properties.section("Auth"), self.functions)
        definition = Definition(self.stack, properties.section("DefinitionBody"))
        definition.add_authorizers(authorization)
        declared = self.routes.get(api_id, [])
        keys = [one.route.key for one in declared]
        routes = [route for route in definition.routes(authorization) if route.key not in keys]
        keys += [route.key for route in routes]
        for key in settings:
            if key not in keys:
                self.stack.warn(settings.line(key), f"{settings.where}: there is no route {key}")
        for one in declared:
            protection = authorization.protection(one.route.key, one.event.section("Auth"))
            routes.append(replace(one.route, protection=protection))
        return tuple(
            replace(route, throttle=_throttle(settings.section(route.key)))
            if route.throttle == Throttle()
            else route
            for route in routes
        )

    def _access_log_format(self, settings: Properties) -> str | None:
        template = settings.text("Format")
        ids = ("$context.requestId", "$context.extendedRequestId")
        if template and all(name not in template for name in ids):
            reason = f"{settings.where}: Format needs {' or '.join(ids)} on AWS"
            self.stack.warn(settings.line("Format"), reason)
        return template


def _route_key(event: Properties) -> str:
    path, method = event.text("Path"), event.text("Method")
    if path in (None, "$default"):
        return "$default"
    assert path is not None
    if not path.startswith("/"):
        raise event.fail("Path", "must start with a slash")
    verb = (method or "").upper().replace("X-AMAZON-APIGATEWAY-ANY-METHOD", "ANY")
    if verb not in _METHODS:
        raise event.fail("Method", f"must be one of {', '.join(sorted(_METHODS))}")
    return f"{verb} {path}"


def _throttle(settings: Properties) -> Throttle:
    burst = settings.integer("ThrottlingBurstLimit", minimum=0, maximum=1_000_000)
    return Throttle(settings.number("ThrottlingRateLimit"), burst)


def _cors(properties: Properties) -> Cors | None:
    value = properties.get("CorsConfiguration")
    if value is None or value is False:
        return None
    if value is True:
        return Cors(allow_origins=("*",))
    if isinstance(value, str):
        return Cors(allow_origins=(value,))
    cors = properties.section("CorsConfiguration")
    return Cors(
        allow_origins=cors.texts("AllowOrigins"),
        allow_methods=cors.texts("AllowMethods"),
        allow_headers=cors.texts("AllowHeaders"),
        expose_headers=cors.texts("ExposeHeaders"),
        allow_credentials=cors.boolean("AllowCredentials", False),
        max_age_s=cors.integer("MaxAge", minimum=-1, maximum=86_400),
    )
