"""HTTP APIs with authorizers and OpenAPI definitions; functions and queues in other forms."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.template.model import Authorizer, Uncheckable
from emulator.template.parse import TemplateError
from tests.templates import FUNCTION, SAM, Load

AUTH = """
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: Main
        Authorizers:
          Main:
            FunctionArn: !GetAtt Work.Arn
            AuthorizerPayloadFormatVersion: 2.0
            EnableSimpleResponses: true
            FunctionInvokeRole: NONE
            EnableFunctionDefaultPermissions: true
            Identity:
              Context: [routeKey]
              StageVariables: [colour]
              QueryStrings: [who]
              Headers: [Authorization, X-Key]
              ReauthorizeEvery: 60
"""


def route(auth: str = "") -> str:
    event = f"{{Type: HttpApi, Properties: {{ApiId: !Ref Api, Method: GET, Path: /a{auth}}}}}"
    return f"{SAM}Resources:{FUNCTION}      Events: {{A: {event}}}\n"


def test_a_lambda_authorizer(read: Load) -> None:
    app = read(route() + AUTH)
    assert app.warnings == ()
    assert app.http_apis[0].routes[0].protection == Authorizer(
        "Main",
        "Work",
        payload_version="2.0",
        simple_responses=True,
        identity_sources=(
            "$request.header.Authorization",
            "$request.header.X-Key",
            "$request.querystring.who",
            "$stageVariables.colour",
            "$context.routeKey",
        ),
        ttl_s=60,
    )
    assert app.http_apis[0].execution_arn.startswith("arn:aws:execute-api:us-east-1:000000000000:")


def test_a_route_may_have_none(read: Load) -> None:
    app = read(route(", Auth: {Authorizer: NONE}") + AUTH)
    assert app.http_apis[0].routes[0].protection is None


def test_globals_protect_the_implicit_api(read: Load) -> None:
    authorizer = "{FunctionArn: !GetAtt Work.Arn, AuthorizerPayloadFormatVersion: '1.0'}"
    auth = f"{{DefaultAuthorizer: Main, Authorizers: {{Main: {authorizer}}}}}"
    text = route().replace("ApiId: !Ref Api, ", "")
    text = text.replace("Resources:", f"Globals: {{HttpApi: {{Auth: {auth}}}}}\nResources:")
    (api,) = read(text).http_apis
    assert api.routes[0].protection == Authorizer("Main", "Work", payload_version="1.0")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("DefaultAuthorizer: Main", "DefaultAuthorizer: AWS_IAM", "IAM authorization is not"),
        ("DefaultAuthorizer: Main", "DefaultAuthorizer: Mian", "no authorizer named Mian"),
        ("!GetAtt Work.Arn", "arn:aws:lambda:us-east-1:1:function:x", "Main is not run here"),
        ("!GetAtt Work.Arn", "!GetAtt Nobody.Arn", "its authorizer Main is not valid"),
        ("sion: 2.0", "sion: 3.0", "its authorizer Main is not valid"),
        ("sion: 2.0", "sion: 1.0", "its authorizer Main is not valid"),
        ("Every: 60", "Every: 3601", "its authorizer Main is not valid"),
        ("FunctionArn:", "JwtConfiguration: {issuer: x}\n            Function:", "JWT authorizer"),
    ],
)
def test_what_cannot_be_checked_closes_the_route(
    read: Load, old: str, new: str, reason: str
) -> None:
    app = read(route() + AUTH.replace(old, new))
    routes = [route for api in app.http_apis for route in api.routes]
    for found in routes:
        assert isinstance(found.protection, Uncheckable)
        assert reason in found.protection.reason
    if routes:
        assert any(
            "GET /a is closed, it answers 500" in warning and reason in warning
            for warning in app.warnings
        )
    else:  # the API as a whole cannot be read
        assert "Api is left out" in app.warnings[0]


def test_a_misspelt_protection_opens_nothing(read: Load) -> None:
    app = read(route() + AUTH.replace("DefaultAuthorizer:", "DefaultAuthoriser:"))
    assert app.http_apis == ()
    assert app.warnings[0] == (
        "template.yaml:15: HttpApi Api: Auth: DefaultAuthoriser does not exist; Api is left out"
    )
    app = read(route(", Auth: {Authoriser: Main}") + AUTH.replace("        DefaultAu", "        #"))
    assert [api.routes for api in app.http_apis] == [()]
    assert "Auth: Authoriser does not exist; Work's event A is left out" in app.warnings[0]


def test_what_an_api_has_that_is_not_emulated(read: Load) -> None:
    text = "  Api:\n    Type: AWS::Serverless::HttpApi\n    Properties:\n"
    text += "      FailOnWarnings: true\n      Domain: {DomainName: a.example}\n"
    text += "      AccessLogSettings: {Format: $context.status}\n"
    app = read(route() + text)
    assert app.http_apis[0].access_log_format == "$context.status"
    domain, log = app.warnings
    assert domain.startswith("template.yaml:14: HttpApi Api: Domain is not emulated")
    assert log.startswith("template.yaml:15: HttpApi Api: AccessLogSettings: Format needs $context")


OPENAPI = """
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      DefinitionBody:
        openapi: 3.0.1
        components:
          securitySchemes:
            Keys:
              type: apiKey
              name: Unused
              in: header
              x-amazon-apigateway-authorizer:
                type: request
                identitySource: "$request.header.X-Key, $context.routeKey"
                authorizerUri: !Sub >-
                  arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Work.Arn}/invocations
                authorizerPayloadFormatVersion: "2.0"
                authorizerResultTtlInSeconds: 5
                enableSimpleResponses: true
            Tokens: {type: oauth2, x-amazon-apigateway-authorizer: {type: jwt}}
        paths:
          /things/{id}:
            get:
              security: [{Keys: []}]
              x-amazon-apigateway-integration:
                type: aws_proxy
                payloadFormatVersion: "2.0"
                timeoutInMillis: 500
                uri: !Sub >-
                  arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Work.Arn}/invocations
            post:
              security: [{Tokens: []}]
              x-amazon-apigateway-integration: {type: AWS_PROXY, uri: !GetAtt Work.Arn}
            put:
              x-amazon-apigateway-integration: {type: http_proxy, uri: "https://a.example"}
          $default:
            x-amazon-apigateway-any-method:
              x-amazon-apigateway-integration: {type: aws_proxy, uri: !GetAtt Gone.Arn}
          /any:
            x-amazon-apigateway-any-method:
              x-amazon-apigateway-integration: {type: aws_proxy, uri: !GetAtt Work.Arn}
"""


def test_routes_of_an_openapi_definition(read: Load) -> None:
    text = OPENAPI.replace("!GetAtt Gone.Arn", '"arn:aws:lambda:us-east-1:1:function:gone"')
    app = read(f"{SAM}Resources:{FUNCTION}{text}")
    get, post, everything = app.http_apis[0].routes
    assert (get.key, get.function, get.timeout_ms, get.payload_version) == (
        "GET /things/{id}",
        "Work",
        500,
        "2.0",
    )
    assert get.protection == Authorizer(
        "Keys", "Work", "2.0", True, ("$request.header.X-Key", "$context.routeKey"), 5
    )
    assert (post.key, post.payload_version) == ("POST /things/{id}", "1.0")
    assert isinstance(post.protection, Uncheckable)
    assert (everything.key, everything.protection) == ("ANY /any", None)
    closed, not_proxy, gone = app.warnings
    assert "POST /things/{id} is closed, it answers 500: the security scheme Tokens" in closed
    assert "PUT /things/{id}: only aws_proxy integrations of functions are emulated" in not_proxy
    assert "$default: its function is not run here; it is left out" in gone


def test_a_definition_in_a_file_of_its_own(read: Load, tmp_path: Path) -> None:
    paths = '{"/hi": {"get": {"x-amazon-apigateway-integration": {"type": "aws_proxy",'
    paths += ' "payloadFormatVersion": "2.0", "uri": {"Fn::GetAtt": ["Work", "Arn"]}}}}}'
    (tmp_path / "openapi.json").write_text(f'{{"paths": {paths}}}')
    text = "  Api:\n    Type: AWS::Serverless::HttpApi\n    Properties:\n      DefinitionBody:\n"
    text += "        Fn::Transform: {Name: AWS::Include, Parameters: {Location: LOCATION}}\n"
    text = f"{SAM}Resources:{FUNCTION}{text}"
    app = read(text.replace("LOCATION", "openapi.json"))
    assert [route.key for route in app.http_apis[0].routes] == ["GET /hi"]
    for location, reason in (
        ("s3://bucket/x", "is not a file beside the template"),
        ("gone.yaml", "it cannot be read"),
    ):
        app = read(text.replace("LOCATION", location))
        assert app.http_apis == ()
        assert reason in app.warnings[0]


def test_functions_as_cloudformation_declares_them(read: Load, tmp_path: Path) -> None:
    (tmp_path / "layer").mkdir()
    app = read("""
Resources:
  Plain:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: plain
      Code: code
      Role: arn:aws:iam::1:role/x
      Handler: app.handler
      Runtime: python3.13
      Layers: [!Ref Layer]
      Tags: [{Key: team, Value: a}]
      TracingConfig: {Mode: Active}
      DeadLetterConfig: {TargetArn: !GetAtt Dead.Arn}
  Inline:
    Type: AWS::Lambda::Function
    Properties:
      Code: {ZipFile: "def handler(event, context): return 1"}
      Role: r
      Handler: index.handler
      Runtime: python3.13
  Far:
    Type: AWS::Lambda::Function
    Properties:
      {Code: {S3Bucket: b, S3Key: k}, Role: r, Handler: a.b, Runtime: python3.13}
  Layer: {Type: AWS::Lambda::LayerVersion, Properties: {Content: layer}}
  Dead: {Type: AWS::SQS::Queue}
""")
    plain, inline = app.functions["plain"], app.functions["Inline"]
    assert plain.code_dir == tmp_path / "code"
    assert plain.layer_dirs == (tmp_path / "layer",)
    assert plain.dead_letter_arn == "arn:aws:sqs:us-east-1:000000000000:local-Dead"
    assert (plain.details.tags, plain.details.tracing) == ({"team": "a"}, "Active")
    assert inline.inline_code == "def handler(event, context): return 1"
    assert app.warnings == (
        "template.yaml:25: Function Far: Code is not a local directory; it is left out",
    )


def test_a_function_of_cloudformation_needs_its_role(read: Load) -> None:
    text = "Resources:\n  F:\n    Type: AWS::Lambda::Function\n    Properties:\n"
    with pytest.raises(TemplateError, match="Function F: Role is required"):
        read(text + "      {Code: code, Handler: a.b, Runtime: python3.13}\n")


def test_queues_that_sam_makes(read: Load) -> None:
    events = "{Daily: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day),"
    events += " DeadLetterConfig: {Type: SQS, QueueLogicalId: Lost}}},"
    events += " Seen: {Type: EventBridgeRule, Properties: {Pattern: {source: [a]}, Input: '{}',"
    events += " InputPath: $.detail, RetryPolicy: {MaximumRetryAttempts: 1},"
    events += " DeadLetterConfig: {Type: SQS}}}}"
    text = f"{SAM}Resources:{FUNCTION}      Events: {events}\n"
    text += "      Environment: {Variables: {LOST: !GetAtt Lost.QueueName}}\n"
    text += "      EventInvokeConfig: {DestinationConfig: {OnFailure: {Type: SQS}}}\n"
    app = read(text)
    arn = "arn:aws:sqs:us-east-1:000000000000:local-"
    assert app.warnings == ()
    assert {queue.logical_id for queue in app.queues} == {
        "Lost",
        "WorkSeenQueue",
        "WorkEventInvokeConfigOnFailureQueue",
    }
    function = app.functions["Work"]
    assert function.environment == {"LOST": "local-Lost"}
    assert function.event_invoke.on_failure_arn == f"{arn}WorkEventInvokeConfigOnFailureQueue"
    assert app.schedules[0].target.dead_letter_arn == f"{arn}Lost"
    target = app.rules[0].targets[0]
    assert target.dead_letter_arn == f"{arn}WorkSeenQueue"
    assert (target.maximum_retry_attempts, target.input_path) == (1, "$.detail")
