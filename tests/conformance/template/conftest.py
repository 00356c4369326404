"""The template of the platform, read once."""

from __future__ import annotations

import pytest

from emulator.template.model import Application
from emulator.template.parse import load
from emulator.template.source import Map, read
from tests.conformance.template.declared import LAPTOP, TEMPLATE


@pytest.fixture(scope="module")
def app() -> Application:
    return load(TEMPLATE, LAPTOP)


@pytest.fixture(scope="module")
def resources() -> dict[str, Map]:
    return dict(read(TEMPLATE)["Resources"])
