"""Fixtures that every kind of test may use: real servers, a database and a key space per worker."""

from __future__ import annotations

import os
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.services import Servers, end, obtain

_RUN = "PAYWRIGHT_TEST_RUN"
_WHOLE_SYSTEMS = (Path(__file__).parent / "e2e", Path(__file__).parent / "simulation")
# How long an example takes, or the making of one, says more of the machine than of the code.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    """Name the run once, in the process that the workers inherit their environment from."""
    config.addinivalue_line(
        "markers", "xdist_group(name): tests that must run one after another, on one worker"
    )
    if not hasattr(config, "workerinput"):
        folder = Path(tempfile.gettempdir()) / f"paywright-test-{uuid.uuid4().hex[:12]}"
        os.environ[_RUN] = f"{folder}:{os.getpid()}"
        # What a shell starts behind it ignores Ctrl-C, and so would all that tests start.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # A worker is an AWS account of its own: MiniStack takes the account from a key of 12 digits.
    os.environ["AWS_ACCESS_KEY_ID"] = f"{_worker_number() + 1:012d}"
    os.environ["AWS_SECRET_ACCESS_KEY"] = "test"
    os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """One worker more than there are processors: tests wait a good part of their time."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # as pytest-xdist does it
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let workers begin with what takes longest: they all end at about the same time then."""
    if hasattr(config, "workerinput"):
        items.sort(key=_how_late)


def _how_late(item: pytest.Item) -> int:
    if item.get_closest_marker("xdist_group"):
        return 0
    return 1 if any(folder in item.path.parents for folder in _WHOLE_SYSTEMS) else 2


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the servers with the run, whatever became of its tests."""
    if not hasattr(config, "workerinput"):
        end(_run()[0])


@pytest.fixture(scope="session")
def servers() -> Servers:
    """The servers of this test run, shared by its workers; started by the first that asks."""
    return obtain(*_run())


@pytest.fixture(scope="session")
def database_url(servers: Servers) -> str:
    """This worker's own database with the schema, as its owner."""
    return servers.create_database(f"test_{_worker_number()}_{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="session")
def app_database_url(servers: Servers, database_url: str) -> str:
    """This worker's database as the application's role."""
    return servers.app_url(database_url)


@pytest.fixture(scope="session")
def housekeeping_database_url(servers: Servers, database_url: str) -> str:
    """This worker's database as housekeeping's role."""
    return servers.housekeeping_url(database_url)


@pytest.fixture
def new_database_url(servers: Servers) -> Iterator[Callable[[], str]]:
    """Makes databases with the schema for one test alone, and drops them after it (owner URLs)."""
    names: list[str] = []

    def make() -> str:
        names.append(f"test_{uuid.uuid4().hex[:12]}")
        return servers.create_database(names[-1])

    yield make
    for name in names:
        servers.drop_database(name)


@pytest.fixture(scope="session")
def valkey_url(servers: Servers) -> str:
    """This worker's own database of the run's Valkey."""
    return f"{servers.valkey_url.rpartition('/')[0]}/{_worker_number() + 1}"


@pytest.fixture(scope="session")
def aws_endpoint_url(servers: Servers) -> str:
    """The run's AWS endpoint; the environment's key makes this worker an account of its own."""
    return servers.aws_url


def _worker_number() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def _run() -> tuple[Path, int]:
    folder, _, controller = os.environ[_RUN].rpartition(":")
    return Path(folder), int(controller)
