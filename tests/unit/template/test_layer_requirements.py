"""The layer's requirements, the project's and both lock files say the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
LAYER = REPOSITORY / "layers" / "shared"


def _requirements() -> set[str]:
    lines = (LAYER / "requirements.txt").read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def _pinned(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", lock.read_text(), re.MULTILINE))


def test_the_project_lists_the_layers_requirements_first() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = _requirements()
    assert set(project["dependencies"][: len(wanted)]) == wanted


def test_aws_runs_the_versions_that_are_tested_here() -> None:
    here, aws = _pinned(REPOSITORY / "requirements.lock"), _pinned(LAYER / "requirements.lock")
    assert {name: here.get(name) for name in aws} == aws
    assert {re.split(r"[\[<>=]", line)[0] for line in _requirements()} <= set(aws)
