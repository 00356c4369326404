"""`paywright doctor`: what is wrong with this machine for a local run, and how to mend it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass

from cli.errors import Failure
from cli.paths import CHECKOUT, TEMPLATE, Home
from cli.state import State, running
from emulator.services import ServiceError, accounts, ports, postgres, valkey

_OLDEST_PYTHON = (3, 11)
_DISK_BYTES_NEEDED = 1024 * 1024 * 1024
_PORTS = {
    3000: "API",
    3001: "Lambda",
    3002: "webhook receiver",
    4566: "AWS endpoint",
    54_320: "PostgreSQL",
    63_790: "Valkey",
}
_MODULES = ("ministack", "awslambdaric", "psycopg", "httptools", "standardwebhooks")


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `problem` is None if it is well, and `remedy` says what to do then."""

    subject: str
    state: str
    problem: str | None = None
    remedy: str = ""


def examine() -> list[Finding]:
    """Look at everything; no check stops the others."""
    home = Home.find()
    checks: list[tuple[str, Callable[[Home], Finding]]] = [
        ("Python", _python),
        ("packages", _packages),
        ("PostgreSQL", _postgresql),
        ("Valkey", _valkey),
        ("dbmate", _dbmate),
        ("user", _user),
        ("folder", _folder),
        ("ports", _ports),
        ("template", _template),
        ("git", _git),
        ("leftovers", _leftovers),
        ("ledger", _ledger),
    ]
    findings = []
    for subject, check in checks:
        try:
            findings.append(check(home))
        except (Failure, ServiceError, OSError) as error:
            findings.append(Finding(subject, "", str(error)))
    return findings


def show(findings: list[Finding]) -> None:
    """Print them, the remedies of problems below each."""
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for finding in findings:
        mark, code = ("✗", "31") if finding.problem else ("✓", "32")
        mark = f"\x1b[{code}m{mark}\x1b[0m" if colour else mark
        print(f"{mark} {finding.subject:12} {finding.problem or finding.state}")
        if finding.problem and finding.remedy:
            print(f"  {'':12} {finding.remedy}")
    problems = sum(1 for finding in findings if finding.problem)
    print("\nAll is well." if not problems else f"\n{problems} to mend.")


def _python(_home: Home) -> Finding:
    version = platform.python_version()
    if sys.version_info < _OLDEST_PYTHON:
        return Finding(
            "Python", version, f"{version} is too old", "Install Python 3.11 or newer, then `make`."
        )
    return Finding("Python", f"{version} on {platform.system()} {platform.machine()}")


def _packages(_home: Home) -> Finding:
    missing = [name for name in _MODULES if importlib.util.find_spec(name) is None]
    if missing:
        return Finding("packages", "", f"missing: {', '.join(missing)}", "Run `make setup`.")
    return Finding("packages", "all there")


def _postgresql(_home: Home) -> Finding:
    found = postgres.find_binaries()
    return Finding("PostgreSQL", f"{found.major} in {found.folder}")


def _valkey(_home: Home) -> Finding:
    return Finding("Valkey", valkey.find_binary())


def _dbmate(_home: Home) -> Finding:
    from cli.database import dbmate  # noqa: PLC0415 - psycopg may be what is missing

    return Finding("dbmate", str(dbmate()))


def _user(home: Home) -> Finding:
    if os.geteuid() != 0:
        return Finding("user", f"uid {os.geteuid()}, not root")
    account = accounts.for_data(home.data / "postgresql", may_create=False)
    assert account is not None, "root is not what PostgreSQL runs as"
    return Finding("user", f"root, so PostgreSQL runs as {account.name}")


def _folder(home: Home) -> Finding:
    existing = next(path for path in (home.folder, *home.folder.parents) if path.exists())
    if not os.access(existing, os.W_OK):
        return Finding(
            "folder",
            "",
            f"{existing} cannot be written",
            "Set PAYWRIGHT_HOME to a folder of yours.",
        )
    free = shutil.disk_usage(existing).free
    if free < _DISK_BYTES_NEEDED:
        return Finding(
            "folder",
            "",
            f"the disk of {home.folder} has {free // 2**20} MB left",
            "Make room for 1024 MB, or set PAYWRIGHT_HOME to a folder on another disk.",
        )
    return Finding("folder", f"{home.folder}, {free // 2**30} GB free")


def _ports(home: Home) -> Finding:
    if running(home) is not None:
        return Finding("ports", "in use by Paywright itself, which is running")
    taken = [f"{port} ({name})" for port, name in _PORTS.items() if not ports.is_free(port)]
    if taken:
        # Not a problem: the next free one is taken, and printed.
        return Finding("ports", f"taken, so that the next free ones are used: {', '.join(taken)}")
    return Finding("ports", "all free")


def _template(_home: Home) -> Finding:
    if not TEMPLATE.exists():
        return Finding(
            "template", "", f"{TEMPLATE} is missing", "Run from a checkout, or restore the file."
        )
    import yaml  # noqa: PLC0415 - only here

    class Loader(yaml.SafeLoader):
        """Takes CloudFormation's short forms for what they are: tags on any node."""

    Loader.add_multi_constructor("!", lambda _loader, _suffix, node: str(node.tag))
    try:
        content = yaml.load(TEMPLATE.read_text(), Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        reason = str(error).replace("\n", " ")
        return Finding("template", "", f"it is not YAML: {reason}", "Mend template.yaml.")
    kinds = [resource.get("Type") for resource in content.get("Resources", {}).values()]
    return Finding("template", f"{kinds.count('AWS::Serverless::Function')} functions")


def _git(_home: Home) -> Finding:
    if shutil.which("git") is None:
        return Finding("git", 'not installed; `status` says commit "unknown"')
    if not (CHECKOUT / ".git").exists():
        return Finding("git", 'no git checkout; `status` says commit "unknown"')
    return Finding("git", "a checkout")


def _leftovers(home: Home) -> Finding:
    state = State.load(home)
    if state is None or state.supervisor.alive():
        return Finding("leftovers", "none")
    left = [f"{name} ({identity.pid})" for name, identity in state.parts.items()]
    alive = [text for text, part in zip(left, state.parts.values(), strict=True) if part.alive()]
    if alive:
        return Finding(
            "leftovers",
            "",
            f"an earlier run left {', '.join(alive)}",
            "Run `paywright down`; the next `paywright up` ends them too.",
        )
    return Finding("leftovers", "an earlier run did not end well, but left no process")


def _ledger(home: Home) -> Finding:
    state = running(home)
    if state is None or state.urls is None:
        return Finding("ledger", "nothing runs here that could be asked")
    # These need packages that may be missing where nothing runs.
    from cli.place import Place  # noqa: PLC0415
    from cli.reading import opened  # noqa: PLC0415
    from paywright.clock import business_clock  # noqa: PLC0415
    from paywright.ledger.backlog import ledger_backlog  # noqa: PLC0415
    from paywright.ledger.verify import OVERDUE_AFTER  # noqa: PLC0415

    place = Place(home, state.urls.database_url, None, is_local=True)
    with opened(place, "ledger") as database:
        waiting, age_s = ledger_backlog(database, business_clock(place.clock_file)).look()
    if age_s < OVERDUE_AFTER.total_seconds():
        return Finding("ledger", f"{waiting} journals wait for their place, none of them for long")
    return Finding(
        "ledger",
        "",
        f"{waiting} journals are not in sequence, one of them for {age_s / 60:.0f} minutes",
        "See why in `paywright logs ledger`; then run `paywright ledger verify`.",
    )
