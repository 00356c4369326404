"""Reading templates in a folder of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emulator.template.model import Application
from emulator.template.parse import load
from tests.templates import Load


@pytest.fixture
def read(tmp_path: Path) -> Load:
    (tmp_path / "code").mkdir()

    def read_text(text: str, parameters: dict[str, str] | None = None, **more: Any) -> Application:
        path = tmp_path / "template.yaml"
        path.write_text(text)
        return load(path, parameters, **more)

    return read_text
