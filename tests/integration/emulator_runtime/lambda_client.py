"""Calls Lambda's own API with boto3, as tests want it."""

from __future__ import annotations

import asyncio
from typing import Any

import boto3
from botocore.config import Config

from emulator.app import Emulator

ARN = "arn:aws:lambda:us-east-1:000000000000:function"


def client_of(emulator: Emulator) -> Any:
    return boto3.client(
        "lambda",
        endpoint_url=emulator.lambda_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


async def call(emulator: Emulator, method: str, **arguments: Any) -> Any:
    def ask() -> Any:
        client = client_of(emulator)
        try:
            answer = getattr(client, method)(**arguments)
            if "Payload" in answer:
                answer["Payload"] = answer["Payload"].read()
            return answer
        finally:
            client.close()

    return await asyncio.to_thread(ask)
