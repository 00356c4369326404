"""Who may call an HTTP API's routes: the `Auth` of the API and of each route.

A route whose protection the emulator cannot check is closed, never served open. Sources: AWS SAM
specification, "HttpApiAuth", "LambdaAuthorizer" and "HttpApiFunctionAuth".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from emulator.template import catalogue
from emulator.template.errors import TemplateError
from emulator.template.model import Authorizer, Uncheckable
from emulator.template.properties import Properties
from emulator.template.stack import Stack

Protection = Authorizer | Uncheckable | None

INVOCATION_URI = re.compile(r".*/functions/(arn:[^/]+)/invocations")
_IAM = "AWS_IAM"
_DEFAULT_TTL_S = 300
_SOURCES = {
    "Headers": "$request.header.",
    "QueryStrings": "$request.querystring.",
    "StageVariables": "$stageVariables.",
    "Context": "$context.",
}


def refuse_unknown(auth: Properties, known: frozenset[str]) -> None:
    """Raise TemplateError for a property that does not exist: it might have been a protection."""
    for key in auth:
        if key not in known:
            raise auth.fail(key, "does not exist")


class Authorization:
    """The authorizers of one API, and which of them protects a route."""

    def __init__(self, stack: Stack, auth: Properties, functions: Mapping[str, str]) -> None:
        """`functions` has the physical name of each function by its name and ARN."""
        refuse_unknown(auth, catalogue.API_AUTH)
        self._stack = stack
        self._functions = functions
        self._default = auth.text("DefaultAuthorizer")
        self._authorizers: dict[str, Authorizer | Uncheckable] = {}
        authorizers = auth.section("Authorizers")
        for name in authorizers:
            self._authorizers[name] = self._authorizer(name, authorizers)

    def function(self, reference: str) -> str | None:
        """Return the name of a function given by name or by ARN, with or without a qualifier."""
        found = self._functions.get(reference)
        return found or self._functions.get(reference.rpartition(":")[0])

    def protection(self, key: str, auth: Properties) -> Protection:
        """Return what protects the route of this key, with the `Auth` of its event."""
        return self.named(key, auth.text("Authorizer"), auth.line("Authorizer") or None)

    def named(self, key: str, name: str | None, line: int | None) -> Protection:
        """Return what protects a route that names its authorizer, or has the API's default."""
        name = name or self._default
        if name in (None, "NONE"):
            return None
        assert name is not None
        if name == _IAM:
            found: Protection = Uncheckable("IAM authorization is not emulated")
        else:
            missing = Uncheckable(f"its API has no authorizer named {name}")
            found = self._authorizers.get(name, missing)
        if isinstance(found, Uncheckable):
            self._stack.warn(line, f"{key} is closed, it answers 500: {found.reason}")
        return found

    def add_scheme(self, name: str, schemes: Properties) -> None:
        """Add a security scheme of an OpenAPI document."""
        try:
            self._authorizers[name] = self._read_scheme(name, schemes.section(name))
        except TemplateError as error:
            self._authorizers[name] = self._invalid(name, error)

    def _read_scheme(self, name: str, scheme: Properties) -> Authorizer | Uncheckable:
        given = scheme.section("x-amazon-apigateway-authorizer")
        kind = (given.text("type") or "").lower()
        if kind != "request":
            return Uncheckable(f"the security scheme {name} is not emulated")
        uri = given.required_text("authorizerUri")
        sources = [part for text in given.texts("identitySource") for part in text.split(",")]
        return self._made(
            name,
            (INVOCATION_URI.fullmatch(uri) or ("", uri))[1],
            given,
            tuple(source.strip() for source in sources),
            given.integer("authorizerResultTtlInSeconds", minimum=0, maximum=3_600),
        )

    def _authorizer(self, name: str, authorizers: Properties) -> Authorizer | Uncheckable:
        try:
            return self._read(name, authorizers.section(name))
        except TemplateError as error:
            return self._invalid(name, error)

    def _invalid(self, name: str, error: TemplateError) -> Uncheckable:
        """Return what stands for an authorizer that is not valid: it protects all the same."""
        self._stack.warnings.append(str(error))
        return Uncheckable(f"its authorizer {name} is not valid")

    def _read(self, name: str, given: Properties) -> Authorizer | Uncheckable:
        if "JwtConfiguration" in given or "OpenIdConnectUrl" in given:
            return Uncheckable(f"{name} is a JWT authorizer, which is not emulated")
        identity = given.section("Identity")
        sources = tuple(
            prefix + value for key, prefix in _SOURCES.items() for value in identity.texts(key)
        )
        ttl_s = identity.integer("ReauthorizeEvery", minimum=0, maximum=3_600)
        return self._made(name, given.required_text("FunctionArn"), given, sources, ttl_s)

    def _made(
        self,
        name: str,
        arn: str,
        given: Properties,
        sources: tuple[str, ...],
        ttl_s: int | None,
    ) -> Authorizer | Uncheckable:
        """Return a Lambda authorizer; SAM and OpenAPI differ in the case of its keys."""
        keys = {key.lower(): key for key in given}
        version_key = keys.get("authorizerpayloadformatversion", "AuthorizerPayloadFormatVersion")
        simple_key = keys.get("enablesimpleresponses", "EnableSimpleResponses")
        version = given.required_text(version_key)
        simple = given.boolean(simple_key, False)
        if version not in ("1.0", "2.0"):
            raise given.fail(version_key, "must be 1.0 or 2.0")
        if simple and version == "1.0":
            raise given.fail(simple_key, "is for payload format 2.0 only")
        function = self.function(arn)
        if function is None:
            return Uncheckable(f"the function of its authorizer {name} is not run here")
        ttl = _DEFAULT_TTL_S if ttl_s is None else ttl_s
        return Authorizer(name, function, version, simple, sources, ttl)
