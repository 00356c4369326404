"""docker-compose.yml offers what `paywright up` takes, at the addresses it says, to nobody else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from paywright.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[3]
# What AWS's SDKs read themselves.
SDK_VARIABLES = {
    "AWS_ENDPOINT_URL",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    tree: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
    return tree


@pytest.fixture(scope="module")
def variables() -> dict[str, str]:
    lines = (REPOSITORY / "docker-compose.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_variables_are_those_of_the_settings(variables: dict[str, str]) -> None:
    settings = {name.upper() for name in Settings.model_fields}
    assert set(variables) - SDK_VARIABLES == {"DATABASE_URL", "VALKEY_URL"}
    assert {"DATABASE_URL", "VALKEY_URL"} <= settings
    assert set(variables) >= SDK_VARIABLES


@pytest.mark.parametrize(
    ("variable", "service", "inner_port"),
    [
        ("DATABASE_URL", "postgres", 5432),
        ("VALKEY_URL", "valkey", 6379),
        ("AWS_ENDPOINT_URL", "localstack", 4566),
    ],
)
def test_variables_lead_to_the_services(
    compose: dict[str, Any],
    variables: dict[str, str],
    variable: str,
    service: str,
    inner_port: int,
) -> None:
    url = urlsplit(variables[variable])
    assert compose["services"][service]["ports"] == [f"{url.hostname}:{url.port}:{inner_port}"]


def test_the_database_url_logs_in(compose: dict[str, Any], variables: dict[str, str]) -> None:
    url = urlsplit(variables["DATABASE_URL"])
    assert compose["services"]["postgres"]["environment"] == {
        "POSTGRES_USER": url.username,
        "POSTGRES_PASSWORD": url.password,
        "POSTGRES_DB": url.path.removeprefix("/"),
    }


def test_the_database_takes_as_many_connections_as_the_deploy_page_asks_for(
    compose: dict[str, Any],
) -> None:
    page = (REPOSITORY / "docs" / "deploy.md").read_text()
    asked = re.search(r"at most (\d+) connections.*fits a `max_connections` of (\d+)", page, re.S)
    assert asked is not None
    assert compose["services"]["postgres"]["command"] == [
        "postgres",
        "-c",
        f"max_connections={asked[2]}",
    ]
    text = (REPOSITORY / "docker-compose.yml").read_text()
    assert f"the functions may open {asked[1]}." in text


def test_services_listen_here_only_report_health_and_keep_data(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"postgres", "valkey", "localstack"}
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert service["healthcheck"]["test"][0] == "CMD"
        assert all(volume.split(":")[0] in compose["volumes"] for volume in service["volumes"])


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    images = {name: service["image"] for name, service in compose["services"].items()}
    assert images["localstack"] == "localstack/localstack:4.14.0"
    assert images["postgres"].partition(":")[2] == "17"
    assert all(image.partition(":")[2] not in ("", "latest") for image in images.values())
