"""Secrets by reference: read from AWS Secrets Manager once, when a function starts."""

from __future__ import annotations

from pydantic import SecretStr


def resolve(value: SecretStr | None, arn: str | None) -> str:
    """A secret that is given by value, or by the ARN of a Secrets Manager secret."""
    if value is not None:
        return value.get_secret_value()
    assert arn is not None, "the settings model asks for exactly one of the two"
    # A laptop gives secrets by value: it does not pay for importing the AWS client here.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    config = Config(connect_timeout=3, read_timeout=5, retries={"max_attempts": 3})
    client = boto3.client("secretsmanager", config=config)
    return str(client.get_secret_value(SecretId=arn)["SecretString"])
