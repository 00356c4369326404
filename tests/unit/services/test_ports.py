import os
import socket

import pytest

from emulator.services import ServiceError, ports


@pytest.fixture
def listener():
    with socket.socket() as opened:
        opened.bind((ports.HOST, 0))
        opened.listen()
        yield opened


def test_a_free_preferred_port_is_taken():
    port = ports.choose(0)
    assert ports.choose(port) == port


def test_a_taken_port_gives_way_to_the_next_free_one(listener):
    taken = listener.getsockname()[1]
    chosen = ports.choose(taken)
    assert chosen > taken
    assert ports.is_free(chosen)


def test_ports_that_others_want_are_left_to_them(listener):
    taken = listener.getsockname()[1]
    first = ports.choose(taken)
    assert ports.choose(taken, {first}) > first


def test_a_listener_answers(listener):
    assert ports.answers(listener.getsockname()[1])
    assert not ports.answers(ports.choose(0))


def test_no_port_left_is_said(monkeypatch):
    monkeypatch.setattr(ports, "is_free", lambda _port: False)
    with pytest.raises(ServiceError, match=r"^None of the ports 5000 to 5199 on 127.0.0.1 is free"):
        ports.choose(5000)


def test_a_port_belongs_to_who_listens_on_it_and_to_nobody_else(listener):
    port = listener.getsockname()[1]
    assert ports.belongs_to(port, os.getpid())
    assert not ports.belongs_to(port, os.getppid())
    assert not ports.belongs_to(ports.choose(0), os.getpid())
