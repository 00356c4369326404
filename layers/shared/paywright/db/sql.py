"""SQL in files: each statement follows a line `-- name: its_name` in the `.sql` beside a module.

What several statements have in common follows `-- fragment: its_name`, and a line
`-- include: its_name` stands for it.
"""

from __future__ import annotations

import re
from pathlib import Path

_HEAD = re.compile(r"^-- (name|fragment): (\w+)$", re.MULTILINE)
_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


class Queries:
    """The statements of one file, by name: `queries["insert_payment"]`."""

    def __init__(self, statements: dict[str, str], source: Path) -> None:
        self._statements = statements
        self._source = source

    def __getitem__(self, name: str) -> bytes:
        """The statement; raise KeyError naming the file when it has none of that name."""
        try:
            return self._statements[name].encode()
        except KeyError:
            raise KeyError(f"{self._source.name} has no statement named {name}") from None


def load(module_file: str, name: str | None = None) -> Queries:
    """Read the `.sql` file beside a module (`load(__file__)`), or another by `name`."""
    path = Path(module_file)
    path = path.with_name(f"{name}.sql") if name else path.with_suffix(".sql")
    parts = _HEAD.split(path.read_text())
    texts = {"name": dict[str, str](), "fragment": dict[str, str]()}
    for kind, key, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        texts[kind][key] = text.strip().rstrip(";")
    statements = {
        key: _INCLUDE.sub(lambda found: texts["fragment"][found[1]], text)
        for key, text in texts["name"].items()
    }
    return Queries(statements, path)
