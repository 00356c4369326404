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
