"""`paywright` from start to end, as a person uses it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from cli.api import call
from emulator.services import ports
from tests.e2e.cli.running import descendants, pay, state_of, webhook_of
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("e2e")


def test_status_has_the_promised_keys(paywright):
    status = paywright.json("status")
    assert sorted(status) == [
        "aws_endpoint_url",
        "commit",
        "database_url",
        "gateway_url",
        "lambda_url",
        "receiver_url",
        "valkey_url",
    ]
    assert re.fullmatch("[0-9a-f]{40}|unknown", status["commit"])
    shown = paywright.run("status")
    assert status["gateway_url"] in shown.stdout
    assert paywright.home.secret("postgresql") not in shown.stdout


def test_the_printed_line_takes_a_payment_that_ends_in_a_verified_webhook(paywright):
    if shutil.which("curl") is None:
        pytest.skip("this machine has no curl")
    line = paywright.run("up").stdout.strip().splitlines()[-1]
    first, second = (
        json.loads(subprocess.check_output(["/bin/sh", "-c", line], timeout=60)) for _ in range(2)
    )
    assert first["status"] == "captured", first
    assert second["id"] != first["id"]
    got = paywright.api.get(f"/v1/payments/{first['id']}")
    assert (got.status, got.body["status"], got.body["captured_amount"]) == (200, "captured", 1999)
    item = webhook_of(paywright, first["id"])
    assert (item["type"], item["verified"]) == ("payment.captured", True)
    assert sorted(item) == ["id", "payload", "received_at", "type", "verified"]


def test_the_ledger_sums_to_zero(paywright):
    pay(paywright)
    with psycopg.connect(paywright.urls.database_url) as connection:
        sums = connection.execute(
            "SELECT count(*), sum(CASE entry_type WHEN 'debit' THEN amount ELSE -amount END)"
            " FROM ledger_entries GROUP BY currency"
        ).fetchall()
    assert sums
    assert all(count > 0 and total == 0 for count, total in sums)


def test_a_second_up_says_so_and_starts_nothing(paywright):
    before = state_of(paywright)
    done = paywright.run("up", "--detach")
    assert done.returncode == 0
    assert "Paywright is already running." in done.stdout
    assert paywright.urls.gateway_url in done.stdout
    assert state_of(paywright) == before
    assert paywright.json("up") == paywright.json("status")
    other = paywright.run("up", "--param=LogLevel=DEBUG")
    assert (other.returncode, "keeps its parameters" in other.stderr) == (0, True)


def test_a_merchant_is_made_and_its_webhooks_are_verified(paywright):
    urls = paywright.urls
    created = paywright.json(
        "merchant",
        "create",
        "--name=Ada's Books",
        "--email=ada@books.example",
        "--settlement-currency=usd",
        f"--webhook-url={urls.receiver_url}/webhooks",
        "--rate-limit-per-min=500",
        "--fx-spread-bps=50",
    )
    assert sorted(created) == ["api_key", "id", "webhook_secret"]
    assert created["id"].startswith("mer_")
    assert created["webhook_secret"].startswith("whsec_")
    answer = call(
        "GET",
        f"{urls.gateway_url}/v1/merchants/me",
        headers={"Authorization": f"Bearer {created['api_key']}"},
    )
    assert (answer.body["id"], answer.body["fx_spread_bps"]) == (created["id"], 50)
    known = json.loads(paywright.home.receiver_file.read_text())["secrets"]
    assert created["webhook_secret"] in known


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--email=none", "--settlement-currency=usd"], "email"),
        (["--email=a@b.example", "--settlement-currency=xyz"], "currency"),
        (["--email=demo@example.com", "--settlement-currency=usd"], ""),
        (["--email=a@b.example", "--settlement-currency=usd", "--fx-spread-bps=1001"], "fx_spread"),
        (
            ["--email=c@d.example", "--settlement-currency=usd", "--webhook-url=ftp://x"],
            "",
        ),
    ],
)
def test_a_merchant_that_cannot_be_is_refused_in_one_sentence(paywright, arguments, sentence):
    done = paywright.run("merchant", "create", "--name=N", *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert sentence in done.stderr


def test_the_demo_tells_its_story(paywright):
    done = paywright.run("demo")
    assert done.returncode == 0, done.stderr
    for words in (
        "POST /v1/payments",
        "merchant_balance, usd",
        "customer_hold, usd",
        "signature verified",
        "generic_decline",
        "400 wrong signature",
        "verified: False",
        "The ledger is balanced",
    ):
        assert words in done.stdout, words
    assert "\x1b" not in done.stdout


def test_a_function_that_is_not_there_cannot_be_invoked(paywright):
    done = paywright.run("invoke", "nothing", "--event=-", stdin="{}")
    assert done.returncode == 1
    assert re.match(r"paywright: nothing was not invoked \(404\): .*nothing", done.stderr)


def test_an_event_that_is_no_json_is_refused(paywright):
    done = paywright.run("invoke", "authorize", "--event=-", stdin="{")
    assert (done.returncode, done.stdout) == (1, "")
    assert "The event - is not JSON" in done.stderr


def test_an_invocation_prints_the_result_and_the_log(paywright):
    done = paywright.run("invoke", "merchant", "--event=-", "--log", stdin="{}")
    assert json.loads(done.stdout)
    assert "END RequestId" in done.stderr


def test_reset_is_refused_while_it_runs(paywright):
    done = paywright.run("reset", "--yes")
    assert done.returncode == 1
    assert "Paywright is running: stop it first" in done.stderr
    assert paywright.json("status")


def test_the_doctor_finds_a_running_system_well(paywright):
    done = paywright.run("doctor")
    assert done.returncode == 0, done.stdout
    assert "which is running" in done.stdout


def test_no_secret_is_in_a_log_or_a_command_line(paywright):
    pay(paywright)
    secrets = list(json.loads((paywright.home.folder / "secrets.json").read_text()).values())
    secrets += [paywright.demo.api_key, paywright.demo.webhook_secret]
    root = state_of(paywright).supervisor.pid
    texts = {log.name: log.read_text() for log in paywright.home.logs.iterdir()}
    for process in descendants(root):
        texts[str(process.pid)] = Path(f"/proc/{process.pid}/cmdline").read_text()
    assert len(texts) > 10
    for place, text in texts.items():
        for secret in secrets:
            assert secret not in text, place


def test_a_run_in_front_and_one_behind_end_without_a_trace(new_home):
    paywright = new_home()
    with socket.socket() as holder:
        taken = ports.choose(3002)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((ports.HOST, taken))
        holder.listen()
        shown = paywright.home.folder / "shown"
        with (
            shown.open("w") as output,
            subprocess.Popen(
                [*paywright.command, "up"],
                env={**paywright.env, "PYTHONUNBUFFERED": "1"},
                stdout=output,
                stderr=subprocess.PIPE,
                text=True,
            ) as process,
        ):
            until(lambda: "Press Ctrl-C" in shown.read_text() or process.poll(), "a start")
            family = descendants(process.pid)
            urls = paywright.urls
            payment = pay(paywright)
            until(lambda: "POST /v1/payments 201" in shown.read_text(), "a line in the live log")
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert len(family) > 6
    assert not [identity for identity in family if identity.alive()]
    assert "port 3002 is taken, so it is" in shown.read_text()
    assert urls.receiver_url != "http://127.0.0.1:3002"

    assert paywright.run("up", "--detach", "--json").returncode == 0
    assert paywright.api.get(f"/v1/payments/{payment['id']}").body["status"] == "captured"
    family = descendants(state_of(paywright).supervisor.pid)
    assert paywright.run("down").stdout.strip() == "Paywright is stopped."
    assert len(family) > 6
    assert not [identity for identity in family if identity.alive()]
    assert not _processes_of(paywright)
    assert paywright.run("down").stdout.strip() == "Paywright is not running."
    status = paywright.run("status", "--json")
    assert (status.returncode, status.stdout) == (1, "")
    assert status.stderr == "paywright: Paywright is not running: start it with `paywright up`.\n"

    assert paywright.run("reset", "--yes").returncode == 0
    assert not paywright.home.data.exists()
    assert not (paywright.home.folder / "secrets.json").exists()


def test_servers_that_are_given_are_used_and_left_alone(new_home, servers):
    paywright = new_home()
    name = f"given_{uuid.uuid4().hex[:8]}"
    given = {
        # No such database yet: the migrations make it.
        "DATABASE_URL": servers.postgres_url.rpartition("/")[0] + f"/{name}",
        "VALKEY_URL": servers.valkey_url.rpartition("/")[0] + "/63",
        "AWS_ENDPOINT_URL": servers.aws_url,
        "AWS_ACCESS_KEY_ID": "test",
    }
    done = paywright.run("up", "--detach", "--param=RateLimitPerMin=4", env=given)
    assert done.returncode == 0, done.stderr
    assert sorted(state_of(paywright).parts) == ["emulator", "webhook receiver"]
    urls = paywright.urls
    assert (urls.database_url, urls.valkey_url, urls.aws_endpoint_url) == (
        given["DATABASE_URL"],
        given["VALKEY_URL"],
        given["AWS_ENDPOINT_URL"],
    )
    assert webhook_of(paywright, pay(paywright)["id"])["verified"]
    statuses = [paywright.api.get("/v1/merchants/me").status for _ in range(4)]
    assert 429 in statuses, "the parameter did not reach the functions"
    assert paywright.run("down").returncode == 0
    assert ports.answers(urlsplit(servers.aws_url).port or 0)
    with psycopg.connect(servers.postgres_url, autocommit=True) as connection:
        query = "SELECT rolname FROM pg_roles WHERE rolname ~ '_login_'"
        assert len(connection.execute(query).fetchall()) == 2
    servers.drop_database(name)


@pytest.mark.parametrize("mode", [["--detach"], []], ids=["behind", "in front"])
def test_a_database_that_refuses_is_one_sentence_and_nothing_is_left(new_home, mode):
    paywright = new_home()
    url = f"postgresql://who:hidden@127.0.0.1:{ports.choose(0)}/db"
    done = paywright.run("up", *mode, env={"DATABASE_URL": url})
    assert done.returncode == 1
    assert re.match(r"^paywright: Nobody answers at .*: Connection refused\.", done.stderr)
    assert "hidden" not in done.stdout + done.stderr
    assert not _processes_of(paywright)


def _processes_of(paywright) -> list[str]:
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = command.read_text()
        except OSError:
            continue
        if str(paywright.home.folder) in line:
            found.append(line)
    return found


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small disk")
def test_a_full_disk_is_one_sentence(new_home):
    paywright = new_home()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(paywright.home.folder)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip("this machine does not let us mount")
    try:
        done = paywright.run("up", "--detach")
    finally:
        subprocess.run(["umount", str(paywright.home.folder)], check=True)
    assert done.returncode == 1
    assert re.match(r"^paywright: The disk of .* is full: \d+ MB are free", done.stderr)
    assert not _processes_of(paywright)
