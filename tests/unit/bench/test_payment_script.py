"""The script for pgbench that two recordings make."""

from __future__ import annotations

from uuid import UUID

from tests.bench.payment_sql import Said, script_of

SAME, ONE, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
FRESH = (
    "('00000000-0000-0000-0' || lpad(to_hex((:n::bigint * 64 + 0) * 256 + :client_id::bigint),"
    " 15, '0'))::uuid"
)


def _said(fresh: UUID, key: str) -> list[Said]:
    intent = {"id": fresh, "key": key, "nothing": None}
    outcome = {"id": fresh, "mine": SAME, "ids": [fresh], "live": True, "sum": 7, "to": ["a"]}
    return [
        Said("INSERT INTO t VALUES (%(id)s, %(key)s, %(nothing)s)", intent, False),
        Said(f"UPDATE t SET x = ({', '.join(f'%({n})s' for n in outcome)})", outcome, True),
    ]


def test_what_differs_is_new_each_time_and_the_same_within_a_transaction() -> None:
    variables, script = script_of(_said(ONE, "a"), _said(OTHER, "b"))
    assert f"VALUES ({FRESH}, ('key-' || :n || '-' || :client_id), NULL);" in script
    assert f"({FRESH}, :mine_1::uuid, ARRAY[{FRESH}], :live_1::boolean, :sum_1::bigint, :to_1)" in (
        script
    )
    assert variables == {"mine_1": str(SAME), "live_1": "True", "sum_1": "7", "to_1": '{"a"}'}


def test_only_what_was_serializable_is_in_a_pipeline() -> None:
    _, script = script_of(_said(ONE, "a"), _said(OTHER, "b"))
    before, _, after = script.partition("\\startpipeline")
    assert "INSERT" in before
    assert "UPDATE" in after
    assert after.rstrip().endswith("COMMIT;\n\\endpipeline")
