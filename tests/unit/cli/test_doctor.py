import importlib.util

import pytest

from cli import doctor
from cli.paths import Home
from emulator.services import ServiceError, ports, postgres


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("PAYWRIGHT_HOME", str(tmp_path / "home"))
    return Home.find()


def _found(subject: str) -> doctor.Finding:
    return next(finding for finding in doctor.examine() if finding.subject == subject)


def test_a_machine_that_runs_these_tests_is_well(capsys):
    findings = doctor.examine()
    doctor.show(findings)
    assert [finding.problem for finding in findings] == [None] * len(findings)
    assert capsys.readouterr().out.endswith("All is well.\n")


def test_a_missing_package_is_named_with_its_remedy(monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "ministack" else find(name)
    )
    doctor.show(doctor.examine())
    shown = capsys.readouterr().out
    assert "✗ packages     missing: ministack" in shown
    assert "Run `make setup`." in shown
    assert shown.endswith("1 to mend.\n")


def test_a_full_disk_is_found(monkeypatch):
    monkeypatch.setattr(doctor, "_DISK_BYTES_NEEDED", 2**60)
    assert "MB left" in (_found("folder").problem or "")


def test_one_check_that_fails_does_not_stop_the_others(monkeypatch):
    def none() -> None:
        raise ServiceError("There is no PostgreSQL.")

    monkeypatch.setattr(postgres, "find_binaries", none)
    assert _found("PostgreSQL").problem == "There is no PostgreSQL."
    assert _found("Valkey").problem is None


def test_a_taken_port_is_said_but_is_no_problem(monkeypatch):
    monkeypatch.setattr(ports, "is_free", lambda port: port != 3000)
    finding = _found("ports")
    assert finding.problem is None
    assert "3000 (API)" in finding.state


def test_a_template_that_is_no_yaml_is_found(tmp_path, monkeypatch):
    broken = tmp_path / "template.yaml"
    broken.write_text("Resources: [")
    monkeypatch.setattr(doctor, "TEMPLATE", broken)
    assert (_found("template").problem or "").startswith("it is not YAML: ")
    broken.unlink()
    assert (_found("template").problem or "").endswith("is missing")
