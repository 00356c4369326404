"""A home in which nothing runs, with a place for logs."""

from pathlib import Path

import pytest

from cli.paths import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "logs").mkdir()
    return Home(tmp_path)
