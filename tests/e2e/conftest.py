"""One running system for all end-to-end tests, started and ended by the command itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.api import Merchant
from cli.merchants import Demo, demo
from cli.paths import Home
from cli.state import Urls, require_running

_COMMAND_TIMEOUT_S = 120
_OUTSIDE = ("DATABASE_URL", "VALKEY_URL", "AWS_ENDPOINT_URL", "PYTEST_CURRENT_TEST")


@dataclass(frozen=True)
class Paywright:
    """The command `paywright`, run for one home folder."""

    home: Home

    @property
    def env(self) -> dict[str, str]:
        """This process's environment, but for what would lead to other servers."""
        kept = {name: value for name, value in os.environ.items() if name not in _OUTSIDE}
        return {**kept, "PAYWRIGHT_HOME": str(self.home.folder), "COLUMNS": "120"}

    @property
    def command(self) -> list[str]:
        """What to run, before its arguments."""
        return [sys.executable, "-m", "cli.main"]

    def run(
        self, *arguments: str, env: dict[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            [*self.command, *arguments],
            env={**self.env, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_TIMEOUT_S,
        )

    def up(self, *more: str) -> str:
        """Start the system as tests want it, whose pace is not one merchant's usual one.

        Returns what it printed.
        """
        done = self.run("up", "--detach", "--param=RateLimitPerMin=100000", *more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *arguments: str) -> dict[str, str]:
        """Run it with --json; what it printed."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    @property
    def urls(self) -> Urls:
        """Where the running system is."""
        return require_running(self.home)

    @property
    def demo(self) -> Demo:
        """The demo merchant."""
        return demo(self.home)

    @property
    def api(self) -> Merchant:
        """The API as the demo merchant."""
        return Merchant(self.urls.gateway_url, self.demo.api_key)


@pytest.fixture(scope="session")
def new_home() -> Iterator[Callable[[], Paywright]]:
    """Makes commands for homes of their own; whatever still runs in one at the end is stopped."""
    made: list[Paywright] = []

    def make() -> Paywright:
        folder = Path(tempfile.mkdtemp(prefix="paywright-e2e-"))
        folder.chmod(0o755)  # PostgreSQL's own user, if root runs this, has to reach its data
        made.append(Paywright(Home(folder)))
        return made[-1]

    yield make
    for one in made:
        one.run("down")
        shutil.rmtree(one.home.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def paywright(new_home) -> Paywright:
    """The running system that end-to-end tests share; it stays up whatever they do."""
    made: Paywright = new_home()
    made.up()
    return made
