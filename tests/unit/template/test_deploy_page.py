"""docs/deploy.md says of the template what the template says."""

from __future__ import annotations

import re
from pathlib import Path

from emulator.template.source import read

REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = (REPOSITORY / "docs" / "deploy.md").read_text()


def test_the_table_lists_every_parameter_with_its_default() -> None:
    listed: dict[str, str] = {}
    for line in re.findall(r"^\| (`[A-Z].*) \|$", PAGE, re.MULTILINE):
        names, default, *_ = (cell.strip() for cell in line.split("|"))
        parameters = re.findall(r"`(\w+)`", names)
        if parameters[0].endswith("Arn") and len(parameters) == 1:
            continue  # the table of secrets
        defaults = default.replace("`", "").split(", ")
        for index, name in enumerate(parameters):
            listed[name] = defaults[min(index, len(defaults) - 1)].strip()
    mentioned = set(re.findall(r"`(\w+)`", PAGE))
    declared = read(REPOSITORY / "template.yaml")["Parameters"]
    assert set(declared) <= mentioned
    assert set(listed) <= set(declared)
    for name, default in listed.items():
        assert default == str(declared[name].get("Default", "required"))


def test_the_page_counts_connections_as_the_template_does() -> None:
    template = read(REPOSITORY / "template.yaml")
    api = [
        template["Parameters"][f"{name}Concurrency"]["Default"]
        for name in ("Authorize", "Capture", "Refund", "Merchant")
    ]
    functions = [
        each["Properties"]
        for each in template["Resources"].values()
        if each["Type"] == "AWS::Serverless::Function"
    ]
    alone = [each for each in functions if each.get("ReservedConcurrentExecutions") == 1]
    of_queues = [
        event["Properties"]["ScalingConfig"]["MaximumConcurrency"]
        for each in functions
        for event in each["Events"].values()
        if event["Type"] == "SQS"
    ]
    assert f"at most {sum(api) + sum(of_queues) + len(alone)} connections" in PAGE
    assert " + ".join(map(str, api)) in PAGE
    assert f"the functions reserve {sum(api) + len(alone)}," in PAGE
    fewer = [int(found) for found in re.findall(r"`\w+Concurrency=(\d+)`", PAGE)]
    assert len(fewer) == len(api)
    small = sum(fewer) + sum(of_queues) + len(alone)
    assert f"which makes {small}." in PAGE
    assert small <= 97, "a max_connections of 100, of which 3 are kept for superusers"
