"""Pieces of templates that tests put together."""

from __future__ import annotations

from collections.abc import Callable

from emulator.template.model import Application

Load = Callable[..., Application]
SAM = "Transform: AWS::Serverless-2016-10-31\n"
FUNCTION = """
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Runtime: python3.13
      CodeUri: code
"""

# What the rules of Paywright's own template ask for.
OWN_PARAMETERS = {
    "ValkeyUrl": "redis://127.0.0.1",
    "DatabaseUrl": "postgresql://127.0.0.1",
    "HousekeepingDatabaseUrl": "postgresql://127.0.0.1",
    "PiiKey": "0" * 64,
}
