"""Fixtures of the emulator's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.template.model import Application
from emulator.template.parse import load
from tests.emulator_harness import LogKeeper


@pytest.fixture
async def logs() -> LogKeeper:
    return LogKeeper()


@pytest.fixture
def new_app(tmp_path: Path) -> Callable[[str], Application]:
    """Makes an application of one function, `one`, from its code."""

    def make(code: str) -> Application:
        folder = tmp_path / "application"
        (folder / "code").mkdir(parents=True)
        (folder / "code" / "app.py").write_text(code)
        template = folder / "template.yaml"
        template.write_text(
            "Transform: AWS::Serverless-2016-10-31\n"
            "Resources:\n"
            "  One:\n"
            "    Type: AWS::Serverless::Function\n"
            "    Properties:\n"
            "      FunctionName: one\n"
            "      CodeUri: code\n"
            "      Handler: app.handler\n"
            "      Runtime: python3.13\n"
        )
        return load(template)

    return make
