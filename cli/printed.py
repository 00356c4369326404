"""What a command found, printed for people or for programs."""

from __future__ import annotations

import json
from typing import Any


def fields(content: dict[str, Any], as_json: bool) -> None:
    """Print names and values, a line each; or one JSON object."""
    if as_json:
        print(json.dumps(content))
        return
    for name, value in content.items():
        print(f"{name:16} {'-' if value is None else value}")
