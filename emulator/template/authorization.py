"""Who may call an HTTP API's routes: the `Auth` of the API and of each route.

A route whose protection the emulator cannot check is closed, never served open. Sources: AWS SAM
specification, "HttpApiAuth", "LambdaAuthorizer" and "HttpApiFunctionAuth".
"""

from __future__ import annotations

from collections.abc import Mapping

from emulator.template.errors import TemplateError
from emulator.template.model import Authorizer, Uncheckable
from emulator.template.properties import Properties
from emulator.template.stack import Stack

_IAM = "AWS_IAM"
_DEFAULT_TTL_S = 300
_SOURCES = {
    "Headers": "$request.header.",
    "QueryStrings": "$request.querystring.",
    "StageVariables": "$stageVariables.",
    "Context": "$context.",
}


class Authorization:
    """The authorizers of one API, and which of them protects a route."""

    def __init__(self, stack: Stack, auth: Properties, functions: Mapping[str, str]) -> None:
        """`functions` has the physical name of each function by its name and ARN."""
        self._stack = stack
        self._functions = functions
        self._default = auth.text("DefaultAuthorizer")
        self._authorizers: dict[str, Authorizer | Uncheckable] = {}
        authorizers = auth.section("Authorizers")
        for name in authorizers:
            self._authorizers[name] = self._authorizer(name, authorizers)

    def protection(self, key: str, auth: Properties) -> Authorizer | Uncheckable | None:
        """Return what protects the route of this key, with the `Auth` of its event."""
        name = auth.text("Authorizer") or self._default
        if name in (None, "NONE"):
            return None
        if name == _IAM:
            found: Authorizer | Uncheckable = Uncheckable("IAM authorization is not emulated")
        else:
            missing = Uncheckable(f"its API has no authorizer named {name}")
            found = self._authorizers.get(name or "", missing)
        if isinstance(found, Uncheckable):
            line = auth.line("Authorizer") or None
            self._stack.warn(line, f"{key} is closed, it answers 500: {found.reason}")
        return found

    def _authorizer(self, name: str, authorizers: Properties) -> Authorizer | Uncheckable:
        """Return one authorizer; one that is not valid protects all the same."""
        try:
            return self._read(name, authorizers.section(name))
        except TemplateError as error:
            self._stack.warnings.append(str(error))
            return Uncheckable(f"its authorizer {name} is not valid")

    def _read(self, name: str, given: Properties) -> Authorizer | Uncheckable:
        if "JwtConfiguration" in given or "OpenIdConnectUrl" in given:
            return Uncheckable(f"{name} is a JWT authorizer, which is not emulated")
        arn = given.required_text("FunctionArn")
        version = given.required_text("AuthorizerPayloadFormatVersion")
        simple = given.boolean("EnableSimpleResponses", False)
        if version not in ("1.0", "2.0"):
            raise given.fail("AuthorizerPayloadFormatVersion", "must be 1.0 or 2.0")
        if simple and version == "1.0":
            raise given.fail("EnableSimpleResponses", "is for payload format 2.0 only")
        identity = given.section("Identity")
        ttl_s = identity.integer("ReauthorizeEvery", minimum=0, maximum=3_600)
        function = self._functions.get(arn) or self._functions.get(arn.rpartition(":")[0])
        if function is None:
            return Uncheckable(f"the function of its authorizer {name} is not run here")
        return Authorizer(
            name=name,
            function=function,
            payload_version=version,
            simple_responses=simple,
            identity_sources=tuple(
                prefix + value for key, prefix in _SOURCES.items() for value in identity.texts(key)
            ),
            ttl_s=_DEFAULT_TTL_S if ttl_s is None else ttl_s,
        )
