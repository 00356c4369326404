"""What is wrong with a template, said with its line."""

from __future__ import annotations

from pathlib import Path


class TemplateError(Exception):
    """The template cannot be used; the message names the file, the line and the reason."""

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        super().__init__(locate(path, line, reason))
        self.path = path
        self.line = line
        self.reason = reason


def locate(path: Path, line: int | None, sentence: str) -> str:
    """Return the sentence with its file and line in front, as compilers write it."""
    where = path.name if line is None else f"{path.name}:{line}"
    return f"{where}: {sentence}"
