"""Which resource types and properties exist, so that a misspelt one is told and not ignored.

Sources: AWS SAM specification, "AWS SAM resources and properties"; AWS CloudFormation template
reference.
"""

from __future__ import annotations

FUNCTION = "AWS::Serverless::Function"
RAW_FUNCTION = "AWS::Lambda::Function"
LAYER = "AWS::Serverless::LayerVersion"
RAW_LAYER = "AWS::Lambda::LayerVersion"
HTTP_API = "AWS::Serverless::HttpApi"
QUEUE = "AWS::SQS::Queue"
BUS = "AWS::Events::EventBus"
RULE = "AWS::Events::Rule"
SCHEDULE = "AWS::Scheduler::Schedule"
SCHEDULE_GROUP = "AWS::Scheduler::ScheduleGroup"
EMAIL_IDENTITY = "AWS::SES::EmailIdentity"
MAPPING = "AWS::Lambda::EventSourceMapping"
ALIAS = "AWS::Lambda::Alias"
VERSION = "AWS::Lambda::Version"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PROPERTIES: dict[str, frozenset[str]] = {
    FUNCTION: _words(
        """Architectures AssumeRolePolicyDocument AutoPublishAlias AutoPublishAliasAllProperties
        AutoPublishCodeSha256 CodeSigningConfigArn CodeUri DeadLetterQueue DeploymentPreference
        Description Environment EphemeralStorage EventInvokeConfig Events FileSystemConfigs
        FunctionName FunctionUrlConfig Handler ImageConfig ImageUri InlineCode KmsKeyArn Layers
        LoggingConfig MemorySize PackageType PermissionsBoundary Policies PropagateTags
        ProvisionedConcurrencyConfig PublishToLatestPublished RecursiveLoop
        ReservedConcurrentExecutions Role RolePath Runtime RuntimeManagementConfig SnapStart
        SourceKMSKeyArn Tags TenancyConfig Timeout Tracing VersionDescription
        VersionDeletionPolicy VpcConfig CapacityProviderConfig DurableConfig"""
    ),
    RAW_FUNCTION: _words(
        """Architectures CapacityProviderConfig Code CodeSigningConfigArn DeadLetterConfig
        Description DurableConfig Environment EphemeralStorage FileSystemConfigs FunctionName
        FunctionScalingConfig Handler ImageConfig KmsKeyArn Layers LoggingConfig MemorySize
        PackageType PublishToLatestPublished RecursiveLoop ReservedConcurrentExecutions Role Runtime
        RuntimeManagementConfig SnapStart Tags TenancyConfig Timeout TracingConfig VpcConfig"""
    ),
    LAYER: _words(
        """CompatibleArchitectures CompatibleRuntimes ContentUri Description LayerName LicenseInfo
        PublishLambdaVersion RetentionPolicy"""
    ),
    RAW_LAYER: _words(
        """CompatibleArchitectures CompatibleRuntimes Content Description LayerName LicenseInfo"""
    ),
    HTTP_API: _words(
        """AccessLogSettings Auth CorsConfiguration DefaultRouteSettings DefinitionBody
        DefinitionUri Description DisableExecuteApiEndpoint Domain FailOnWarnings Name
        PropagateTags RouteSettings StageName StageVariables Tags"""
    ),
    QUEUE: _words(
        """ContentBasedDeduplication DeduplicationScope DelaySeconds FifoQueue FifoThroughputLimit
        KmsDataKeyReusePeriodSeconds KmsMasterKeyId MaximumMessageSize MessageRetentionPeriod
        QueueName ReceiveMessageWaitTimeSeconds RedriveAllowPolicy RedrivePolicy
        SqsManagedSseEnabled Tags VisibilityTimeout"""
    ),
    BUS: _words(
        """DeadLetterConfig Description EventSourceName KmsKeyIdentifier LogConfig Name Policy
        Tags"""
    ),
    RULE: _words(
        """Description EventBusName EventPattern Name RoleArn ScheduleExpression State Tags
        Targets"""
    ),
    SCHEDULE: _words(
        """Description EndDate FlexibleTimeWindow GroupName KmsKeyArn Name ScheduleExpression
        ScheduleExpressionTimezone StartDate State Target ActionAfterCompletion"""
    ),
    SCHEDULE_GROUP: frozenset({"Name", "Tags"}),
    EMAIL_IDENTITY: _words(
        """ConfigurationSetAttributes DkimAttributes DkimSigningAttributes EmailIdentity
        FeedbackAttributes MailFromAttributes Tags"""
    ),
    ALIAS: _words(
        """Description FunctionName FunctionVersion Name ProvisionedConcurrencyConfig
        RoutingConfig"""
    ),
    VERSION: _words(
        """CodeSha256 Description FunctionName FunctionScalingConfig
        ProvisionedConcurrencyConfig RuntimePolicy"""
    ),
    MAPPING: _words(
        """AmazonManagedKafkaEventSourceConfig BatchSize BisectBatchOnFunctionError
        DestinationConfig DocumentDBEventSourceConfig Enabled EventSourceArn FilterCriteria
        FunctionName FunctionResponseTypes KmsKeyArn LoggingConfig MaximumBatchingWindowInSeconds
        MaximumRecordAgeInSeconds MaximumRetryAttempts MetricsConfig ParallelizationFactor
        ProvisionedPollerConfig Queues ScalingConfig SelfManagedEventSource
        SelfManagedKafkaEventSourceConfig SourceAccessConfigurations StartingPosition
        StartingPositionTimestamp Tags Topics TumblingWindowInSeconds"""
    ),
}

EVENTS: dict[str, frozenset[str]] = {
    "HttpApi": _words("ApiId Auth Method Path PayloadFormatVersion RouteSettings TimeoutInMillis"),
    "SQS": _words(
        """BatchSize Enabled FilterCriteria FunctionResponseTypes KmsKeyArn
        MaximumBatchingWindowInSeconds MetricsConfig ProvisionedPollerConfig Queue ScalingConfig"""
    ),
    "EventBridgeRule": _words(
        """DeadLetterConfig EventBusName Input InputPath InputTransformer Pattern RetryPolicy
        RuleName State Target"""
    ),
    "CloudWatchEvent": _words(
        """DeadLetterConfig Enabled EventBusName Input InputPath InputTransformer Pattern
        RetryPolicy State Target"""
    ),
    "Schedule": _words(
        """DeadLetterConfig Description Enabled Input Name RetryPolicy RoleArn Schedule State
        Target"""
    ),
    "ScheduleV2": _words(
        """DeadLetterConfig Description EndDate FlexibleTimeWindow GroupName Input KmsKeyArn Name
        OmitName PermissionsBoundary RetryPolicy RoleArn ScheduleExpression
        ScheduleExpressionTimezone StartDate State"""
    ),
}

SECTIONS: dict[str, frozenset[str]] = {
    "AccessLogSettings": _words("DestinationArn Format"),
    "CorsConfiguration": _words(
        "AllowCredentials AllowHeaders AllowMethods AllowOrigins ExposeHeaders MaxAge"
    ),
    "DeadLetterConfig": _words("Arn QueueLogicalId TargetArn Type"),
    "DeadLetterQueue": _words("TargetArn Type"),
    "DefaultRouteSettings": _words(
        """DataTraceEnabled DetailedMetricsEnabled LoggingLevel ThrottlingBurstLimit
        ThrottlingRateLimit"""
    ),
    "DestinationConfig": _words("OnFailure OnSuccess"),
    "Environment": _words("Variables"),
    "EphemeralStorage": _words("Size"),
    "EventInvokeConfig": _words(
        "DestinationConfig MaximumEventAgeInSeconds MaximumRetryAttempts Qualifier"
    ),
    "FilterCriteria": _words("Filters"),
    "FlexibleTimeWindow": _words("MaximumWindowInMinutes Mode"),
    "OnFailure": _words("Destination QueueLogicalId Type"),
    "RetryPolicy": _words("MaximumEventAgeInSeconds MaximumRetryAttempts"),
    "ScalingConfig": _words("MaximumConcurrency"),
}
"""What may stand within a property of these names, wherever it is."""

API_AUTH = _words("Authorizers DefaultAuthorizer EnableIamAuthorizer")
ROUTE_AUTH = _words("AuthorizationScopes Authorizer InvokeRole OverrideApiAuth")

IGNORED_SERVICES = _words(
    """ApplicationAutoScaling ApplicationInsights Backup Budgets CertificateManager
    CloudFormation CloudTrail CloudWatch EC2 ElastiCache IAM KMS Logs RDS ResourceGroups Route53
    SecretsManager ServiceDiscovery SSM Synthetics WAFv2 XRay"""
)

IGNORED_TYPES = _words(
    """AWS::ApiGatewayV2::ApiMapping AWS::ApiGatewayV2::DomainName AWS::Events::EventBusPolicy
    AWS::Lambda::Permission AWS::SES::ConfigurationSet AWS::SNS::Topic AWS::SNS::TopicPolicy
    AWS::SQS::QueuePolicy"""
)

GLOBALS = {"Function": FUNCTION, "HttpApi": HTTP_API, "LayerVersion": LAYER}


def is_ignored(kind: str) -> bool:
    """Return whether the emulator needs nothing of a resource type, and says nothing about it."""
    parts = kind.split("::")
    return kind in IGNORED_TYPES or (len(parts) == 3 and parts[1] in IGNORED_SERVICES)
