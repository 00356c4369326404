"""Values of a template that work on AWS, or that AWS takes, and do nothing here."""

from __future__ import annotations

import pytest

from tests.templates import FUNCTION, SAM, Load
from tests.unit.emulator_events.test_template_problems import OTHER


@pytest.mark.parametrize(
    "value",
    ["!ImportValue x", "!Sub ['${X}/1', {X: !ImportValue x}]", "!Join ['', [!ImportValue x]]"],
)
def test_a_variable_that_only_another_stack_knows_is_left_out_alone(read: Load, value: str) -> None:
    variables = f"      Environment: {{Variables: {{A: a, B: {value}, C: !Ref AWS::Region}}}}\n"
    app = read(f"{SAM}Resources:{FUNCTION}{variables}{OTHER}")
    assert app.functions["Work"].environment == {"A": "a", "C": "us-east-1"}
    assert len(app.functions) == 2
    (warning,) = app.warnings
    assert "Fn::ImportValue needs another stack" in warning
    assert warning.endswith("the variable B is left out, unless --env B=VALUE gives it")


def test_a_cron_that_never_fires_is_told(read: Load) -> None:
    never = (
        '      Events: {Never: {Type: Schedule, Properties: {Schedule: "cron(0 0 31 2 ? *)"}}}\n'
    )
    app = read(f"{SAM}Resources:{FUNCTION}{never}")
    assert len(app.rules) == 1
    (warning,) = app.warnings
    assert warning.endswith("cron(0 0 31 2 ? *) never fires: no month has such a day")
