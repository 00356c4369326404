"""HTTP APIs: AWS::Serverless::HttpApi, the implicit one, and the routes that functions declare."""

from __future__ import annotations

from dataclasses import dataclass, field

from emulator.template import catalogue
from emulator.template.intrinsics import as_text
from emulator.template.model import Cors, HttpApi, Route, Throttle
from emulator.template.properties import Properties
from emulator.template.stack import IMPLICIT_API, Stack

_METHODS = frozenset({"ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_EVENT_PROPERTIES = frozenset(
    {"ApiId", "Auth", "Method", "Path", "PayloadFormatVersion", "RouteSettings", "TimeoutInMillis"}
)


@dataclass
class Apis:
    """Gathers routes while functions are read, then makes the APIs."""

    stack: Stack
    routes: dict[str, list[Route]] = field(default_factory=dict)

    def add(self, function: str, event: Properties) -> None:
        """Add the route of a function's HttpApi event."""
        for key in event:
            if key not in _EVENT_PROPERTIES:
                self.stack.warn(event.line(key), f"{event.where} has no property {key}")
        api_id = event.text("ApiId") or self.stack.ref(IMPLICIT_API)
        key = _route_key(event)
        routes = self.routes.setdefault(api_id, [])
        if any(route.key == key for route in routes):
            raise event.fail("Path", f"declares the route {key}, which another event has already")
        if event.text("PayloadFormatVersion") not in (None, "2.0"):
            self.stack.warn(
                event.line("PayloadFormatVersion"),
                f"{event.where}: payload 2.0 is sent all the same",
            )
        self._warn_of_auth(event)
        timeout_ms = event.integer("TimeoutInMillis", minimum=50, maximum=30_000)
        throttle = _throttle(event.section("RouteSettings"))
        routes.append(Route(key, function, timeout_ms or 30_000, throttle))

    def build(self) -> tuple[HttpApi, ...]:
        """Return every API; a route that names one outside the template is an error."""
        apis = [
            self._api(resource.logical_id, resource.identity.ref, resource.properties)
            for resource in self.stack.of_kind(catalogue.HTTP_API)
        ]
        implicit_id = self.stack.ref(IMPLICIT_API) if self.routes else ""
        if implicit_id in self.routes and all(api.api_id != implicit_id for api in apis):
            properties = self.stack.global_properties(catalogue.HTTP_API)
            apis.append(self._api(IMPLICIT_API, implicit_id, properties))
        for api_id in self.routes:
            if all(api.api_id != api_id for api in apis):
                raise self.stack.resolver.fail(None, f"no HTTP API here has the id {api_id}")
        return tuple(apis)

    def _api(self, logical_id: str, api_id: str, properties: Properties) -> HttpApi:
        for key in ("DefinitionBody", "DefinitionUri"):
            if key in properties:
                reason = f"{properties.where}: {key} is not read; declare routes as function events"
                self.stack.warn(properties.line(key), reason)
        self._warn_of_auth(properties)
        variables = properties.mapping("StageVariables")
        return HttpApi(
            logical_id=logical_id,
            api_id=api_id,
            stage=properties.text("StageName") or "$default",
            routes=self._with_settings(api_id, properties),
            cors=_cors(properties),
            throttle=_throttle(properties.section("DefaultRouteSettings")),
            stage_variables={name: as_text(value) for name, value in variables.items()},
        )

    def _with_settings(self, api_id: str, properties: Properties) -> tuple[Route, ...]:
        """Return the API's routes, its RouteSettings giving those without settings of their own."""
        settings = properties.section("RouteSettings")
        routes = self.routes.get(api_id, [])
        for key in settings:
            if all(route.key != key for route in routes):
                self.stack.warn(settings.line(key), f"{settings.where}: there is no route {key}")
        return tuple(
            Route(
                route.key, route.function, route.timeout_ms, _throttle(settings.section(route.key))
            )
            if route.throttle == Throttle()
            else route
            for route in routes
        )

    def _warn_of_auth(self, properties: Properties) -> None:
        if "Auth" in properties:
            self.stack.warn(properties.line("Auth"), f"{properties.where}: Auth is not emulated")


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
