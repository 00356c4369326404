"""The template of the platform as tests read it: with the parameters of a laptop, or of AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emulator.template.source import Map

REPOSITORY = Path(__file__).resolve().parents[3]


TEMPLATE = REPOSITORY / "template.yaml"


SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:"


LAPTOP = {
    "Environment": "local",
    "DatabaseUrl": "postgresql://app@127.0.0.1/paywright",
    "HousekeepingDatabaseUrl": "postgresql://housekeeping@127.0.0.1/paywright",
    "ValkeyUrl": "redis://127.0.0.1",
    "PiiKey": "k" * 44,
    "WebhookAllowLoopback": "true",
}


AWS = {
    "DatabaseSecretArn": SECRET + "database",
    "HousekeepingDatabaseSecretArn": SECRET + "housekeeping",
    "PiiKeySecretArn": SECRET + "pii",
    "ValkeyUrl": "rediss://cache.example",
    "NamePrefix": "staging-",
}


def of_type(resources: dict[str, Map], kind: str) -> dict[str, Map]:
    return {name: item for name, item in resources.items() if item["Type"] == kind}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
