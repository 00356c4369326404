"""The real AWS command line, from a virtual environment of its own.

It is version 1, the one that is on PyPI; its payloads are text, where version 2 wants
`--cli-binary-format raw-in-base64-out` for that and sends the same.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROGRAM = Path(__file__).parent.parent / ".venv-awscli" / "bin" / "aws"
_TIMEOUT_S = 60


@dataclass(frozen=True)
class AwsCli:
    """`aws` against one endpoint."""

    endpoint_url: str

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        assert _PROGRAM.exists(), "`make setup-dev` installs the AWS command line"
        # By option: for SQS this version does not heed AWS_ENDPOINT_URL.
        endpoint = f"--endpoint-url={self.endpoint_url}"
        return subprocess.run(
            [_PROGRAM, "--output=json", endpoint, *arguments],
            env={**os.environ, "AWS_MAX_ATTEMPTS": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )

    def json(self, *arguments: str) -> Any:
        """Run it; what it printed, None if that is nothing."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    async def run_async(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it while this loop serves what it asks."""
        return await asyncio.to_thread(self.run, *arguments)

    async def json_async(self, *arguments: str) -> Any:
        """`json` while this loop serves what it asks."""
        return await asyncio.to_thread(self.json, *arguments)
