"""What a command found, printed for people or for programs."""

from __future__ import annotations

import json
from typing import Any

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) != "\n"}


def harmless(text: str) -> str:
    """Text of others with no character that can steer a terminal."""
    return text.translate(_CONTROLS)


def fields(content: dict[str, Any], as_json: bool) -> None:
    """Print names and values, a line each; or one JSON object."""
    if as_json:
        print(json.dumps(content))
        return
    for name, value in content.items():
        print(f"{name:16} {'-' if value is None else value}")
