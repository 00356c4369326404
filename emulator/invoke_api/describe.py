"""Functions and their event sources as Lambda's API describes them.

Source: Lambda API reference, FunctionConfiguration, EventSourceMappingConfiguration,
FunctionEventInvokeConfig, GetAccountSettings.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Collection
from typing import Any

from emulator.invoke_api.code import look
from emulator.invoke_api.references import Named
from emulator.template.model import LATEST, PUBLISHED, Function, QueueMapping

HIDDEN = "****"
"""Stands for what must not be shown, as in CloudFormation's own answers."""


def function(named: Named, template_modified_s: float) -> dict[str, Any]:
    """A function's configuration; values that come from NoEcho parameters are hidden.

    Where AWS asks for a permission, here anyone on this machine may ask.
    """
    of = named.function
    code, details = look(of.code_dir), of.details
    modified_s = max(code.modified_s, template_modified_s)
    result: dict[str, Any] = {
        "FunctionName": of.name,
        "FunctionArn": named.arn,
        "Runtime": of.runtime,
        "Role": details.role,
        "Handler": of.handler,
        "CodeSize": code.size,
        "Description": details.description,
        "Timeout": of.timeout_s,
        "MemorySize": of.memory_mb,
        "LastModified": _lambda_time(modified_s),
        "CodeSha256": code.sha256,
        "Version": named.version,
        "TracingConfig": {"Mode": details.tracing},
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": list(details.architectures),
        "EphemeralStorage": {"Size": details.ephemeral_storage_mb},
        "SnapStart": {"ApplyOn": details.snap_start, "OptimizationStatus": "Off"},
        "LoggingConfig": {
            "LogFormat": details.log_format,
            "LogGroup": details.log_group or f"/aws/lambda/{of.name}",
        },
    }
    if of.environment:
        variables = {
            name: HIDDEN if name in details.secret_variables else value
            for name, value in of.environment.items()
        }
        result["Environment"] = {"Variables": variables}
    if details.layer_arns:
        result["Layers"] = [{"Arn": arn} for arn in details.layer_arns]
    if details.subnet_ids:
        result["VpcConfig"] = {
            "SubnetIds": list(details.subnet_ids),
            "SecurityGroupIds": list(details.security_group_ids),
        }
    if of.dead_letter_arn is not None:
        result["DeadLetterConfig"] = {"TargetArn": of.dead_letter_arn}
    # Another revision whenever anything of this is another.
    result["RevisionId"] = str(uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(result, sort_keys=True)))
    return result


def alias(of: Function, name: str) -> dict[str, Any]:
    """What GetAlias gives."""
    result = {
        "AliasArn": f"{of.arn}:{name}",
        "Name": name,
        "FunctionVersion": PUBLISHED,
        "Description": "",
    }
    revision = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(result, sort_keys=True))
    return {**result, "RevisionId": str(revision)}


def whole_function(named: Named, template_modified_s: float) -> dict[str, Any]:
    """What GetFunction gives: the code is where it lies."""
    of = named.function
    result: dict[str, Any] = {
        "Configuration": function(named, template_modified_s),
        "Code": {"RepositoryType": "Local", "Location": of.code_dir.as_uri()},
        "Tags": dict(of.details.tags),
    }
    if of.reserved_concurrency is not None:
        result["Concurrency"] = concurrency(of)
    return result


def concurrency(of: Function) -> dict[str, Any]:
    """What GetFunctionConcurrency gives; nothing if none is reserved."""
    reserved = of.reserved_concurrency
    return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}


def event_invoke(of: Function, template_modified_s: float) -> dict[str, Any]:
    """What GetFunctionEventInvokeConfig gives."""
    config = of.event_invoke
    failure = {} if config.on_failure_arn is None else {"Destination": config.on_failure_arn}
    return {
        "LastModified": template_modified_s,
        "FunctionArn": f"{of.arn}:{LATEST}",
        "MaximumRetryAttempts": config.maximum_retry_attempts,
        "MaximumEventAgeInSeconds": config.maximum_event_age_s,
        "DestinationConfig": {"OnSuccess": {}, "OnFailure": failure},
    }


def mapping(of: QueueMapping, function_arn: str, modified_s: float) -> dict[str, Any]:
    """An event source mapping."""
    result: dict[str, Any] = {
        "UUID": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{function_arn} {of.queue_arn}")),
        "BatchSize": of.batch_size,
        "MaximumBatchingWindowInSeconds": round(of.maximum_batching_window_s),
        "EventSourceArn": of.queue_arn,
        "FunctionArn": function_arn,
        "LastModified": modified_s,
        "State": "Enabled" if of.enabled else "Disabled",
        "StateTransitionReason": "USER_INITIATED",
        "FunctionResponseTypes": (
            ["ReportBatchItemFailures"] if of.report_batch_item_failures else []
        ),
    }
    if of.maximum_concurrency is not None:
        result["ScalingConfig"] = {"MaximumConcurrency": of.maximum_concurrency}
    if of.filters:
        filters = [{"Pattern": json.dumps(pattern)} for pattern in of.filters]
        result["FilterCriteria"] = {"Filters": filters}
    return result


def account(functions: Collection[Function], concurrent: int, unreserved: int) -> dict[str, Any]:
    """What GetAccountSettings gives: Lambda's default quotas, and the concurrency that holds."""
    folders = {of.code_dir for of in functions}
    return {
        "AccountLimit": {
            "TotalCodeSize": 80_530_636_800,
            "CodeSizeUnzipped": 262_144_000,
            "CodeSizeZipped": 52_428_800,
            "ConcurrentExecutions": concurrent,
            "UnreservedConcurrentExecutions": unreserved,
        },
        "AccountUsage": {
            "TotalCodeSize": sum(look(folder).size for folder in folders),
            "FunctionCount": len(functions),
        },
    }


def _lambda_time(epoch_s: float) -> str:
    second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch_s))
    return f"{second}.{int(epoch_s * 1000) % 1000:03d}+0000"
