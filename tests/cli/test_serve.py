"""`fencepost serve` as an operator meets it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.invocation import run
from tests.said import message, process
from tests.serving import ANY_PORT, Serving, until

from fencepost.app.sockets import HAS_AMQP


def serve(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a service that cannot start."""
    environment = {
        **os.environ,
        **ANY_PORT,
        **{f"FENCEPOST_{key.upper()}": value for key, value in settings.items()},
    }
    return subprocess.run(
        [sys.executable, "-m", "fencepost", "serve", "--data", str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_the_first_start_makes_the_data_folder_and_says_where_it_listens(tmp_path: Path) -> None:
    started = subprocess.Popen(
        [sys.executable, "-m", "fencepost", "serve", "--data", str(tmp_path / "data")],
        env={**os.environ, **ANY_PORT},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert started.stdout is not None
    lines = [started.stdout.readline() for _ in range(9 + HAS_AMQP)]
    assert re.fullmatch(r"Fencepost takes messages at https://localhost:\d+\n", lines[0])
    assert re.fullmatch(r"MQTT      port \d+, as an IoT Hub\n", lines[1])
    assert not HAS_AMQP or re.fullmatch(r"AMQP      port \d+, as an IoT Hub\n", lines[2])
    assert lines[3 + HAS_AMQP] == f"authority {tmp_path / 'data' / 'tls' / 'ca.pem'}\n"
    assert "Become the administrator" in lines[5 + HAS_AMQP]
    assert re.fullmatch(r"  https://localhost:\d+/welcome\?code=[\w-]{32}\n", lines[6 + HAS_AMQP])
    assert lines[8 + HAS_AMQP] == "Ctrl-C ends it.\n"
    assert (tmp_path / "data" / "tokens.json").exists()
    began = time.monotonic()
    started.send_signal(signal.SIGINT)
    assert started.wait(10) == 0
    assert time.monotonic() - began < 5
    started.stdout.close()


def test_a_port_that_is_taken_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = serve(tmp_path / "data", http_port=str(port))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        f"http.port: cannot listen on 127.0.0.1:{port}: Address already"
    )


def test_all_that_is_wrong_with_the_settings_is_said_at_once(tmp_path: Path) -> None:
    done = serve(tmp_path / "data", http_port="99999", log_level="loud", nonsense="1")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 3
    assert not (tmp_path / "data").exists()


def test_a_data_folder_has_one_service(tmp_path: Path) -> None:
    first = Serving(tmp_path / "data")
    done = serve(tmp_path / "data", http_port="0")
    assert done.returncode == 2
    assert "another fencepost serves this folder" in done.stderr
    assert first.stop() == 0


def test_a_certificate_that_cannot_be_used_is_the_operators_to_mend(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    done = serve(tmp_path / "data", http_port="0", http_certificate=str(bad), http_key=str(bad))
    assert done.returncode == 2
    assert str(bad) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("suite", ["ECDHE-RSA-AES128-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"])
def test_devices_that_know_rsa_only_come_in(tmp_path: Path, suite: str) -> None:
    assert run("init", "--data", tmp_path / "data", "--rsa").exit_code == 0
    serving = Serving(tmp_path / "data")
    command = [
        "openssl",
        "s_client",
        "-connect",
        f"127.0.0.1:{serving.mqtt_port}",
        "-tls1_2",
        "-cipher",
        suite,
    ]
    trusted = ["-CAfile", str(tmp_path / "data" / "tls" / "ca.pem"), "-verify_return_error"]
    done = subprocess.run([*command, *trusted], input=b"", capture_output=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    assert f"Cipher is {suite}".encode() in done.stdout
    assert b"Verify return code: 0 (ok)" in done.stdout
    assert serving.stop() == 0


def test_the_log_is_json_and_holds_no_content_and_no_token(tmp_path: Path) -> None:
    serving = Serving(tmp_path / "data")
    serving.admin.put("/v1/groups/default", json={"rules": [{"type": "ProcessNotAllowed", "allow": []}]})
    serving.send("dev-1", message(process("/opt/very-secret-name")), b"{very-secret-body")
    until(lambda: serving.alerts(device_id="dev-1"))
    serving.stranger.get("/v1/alerts", headers={"Authorization": "Bearer fpa_guess"})
    assert serving.stop() == 0
    log = serving.log()
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert events[0] == "recovered"
    assert events[-3:] == ["ending", "snapshot written", "ended"]
    for secret in ("very-secret", "fpa_", "fpi_"):
        assert secret not in log


@pytest.mark.parametrize("register", ["auto", "refuse"])
def test_unknown_devices_are_registered_or_refused_and_counted(tmp_path: Path, register: str) -> None:
    serving = Serving(tmp_path / "data", ingest_register=register)
    answer = serving.send("new-1", message(process("/bin/a")))
    if register == "auto":
        assert answer.status_code == 202
    else:
        assert answer.status_code == 404
        assert "PUT /v1/devices/" in answer.json()["detail"]
        assert serving.figure('fencepost_refused_requests_total{reason="unknown_devices"}') == 1
        assert serving.admin.put("/v1/devices/new-1", json={}).status_code == 200
        assert serving.send("new-1", message(process("/bin/a"))).status_code == 202
        serving.kill()
        serving.start()
        assert serving.send("new-1", message(process("/bin/a"))).status_code == 202, "it stays registered"
    assert serving.stop() == 0
