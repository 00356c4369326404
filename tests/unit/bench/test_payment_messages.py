"""Two recordings of an authorization, and the authorizations that are made of them."""

from __future__ import annotations

from uuid import UUID

from tests.bench.payment_messages import Message, Pair, Script, compared

SAME, ONE, OTHER, NEW = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)


def test_only_what_differs_is_made_anew() -> None:
    one = (("send", ("GET", "caller:a", 7)), {"id": ONE, "mine": SAME, "ids": [ONE]})
    other = (("send", ("GET", "caller:b", 7)), {"id": OTHER, "mine": SAME, "ids": [OTHER]})
    pair = Pair(ONE, OTHER)
    assert compared(one, other) == (
        ("send", ("GET", Pair("caller:a", "caller:b"), 7)),
        {"id": pair, "mine": SAME, "ids": [pair]},
    )


def test_long_texts_stay_as_they_were() -> None:
    assert compared("a" * 201, "b" * 201) == "a" * 201


def test_a_new_value_is_like_the_old_and_the_same_in_all_messages() -> None:
    key = Pair("{mer}:key:0123", "{mer}:key:4567")
    script = Script(
        (
            Message("send", (("GET", key),)),
            Message("execute", (b"INSERT", {"id": Pair(ONE, OTHER), "of": SAME})),
            Message("post", (("SET", key, b"text"),)),
        )
    )
    sent, executed, posted = script.anew(lambda: NEW)
    ((_, name),) = sent.arguments
    assert name.startswith("{mer}:key:")
    assert len(name) == len("{mer}:key:0123")
    assert name not in {"{mer}:key:0123", "{mer}:key:4567"}
    assert executed.arguments == (b"INSERT", {"id": NEW, "of": SAME})
    assert posted.arguments == (("SET", name, b"text"),)
    assert next(script.anew(lambda: NEW)).arguments != sent.arguments
