"""What is shipped to run the service on a server: it parses, it is closed, and it says what the program knows."""

import json
import re
import shlex
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path, PurePosixPath

import pytest
from tests.command_lines import command_lines_in, problems_of

from fencepost.app.sockets import PROTOCOLS
from fencepost.config.environment import environment_tree
from fencepost.config.service import KEYS, Settings
from fencepost.net.descriptors import RESERVED
from fencepost.web.server import PARTING

ROOT = Path(__file__).parent.parent
UNIT = ROOT / "deploy" / "fencepost.service"
STRICT = {
    "NoNewPrivileges": "true",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "true",
    "PrivateTmp": "true",
    "PrivateDevices": "true",
    "ProtectClock": "true",
    "ProtectControlGroups": "true",
    "ProtectHostname": "true",
    "ProtectKernelLogs": "true",
    "ProtectKernelModules": "true",
    "ProtectKernelTunables": "true",
    "RestrictNamespaces": "true",
    "RestrictRealtime": "true",
    "RestrictSUIDSGID": "true",
    "LockPersonality": "true",
    "SystemCallArchitectures": "native",
    "UMask": "0077",
    "StateDirectoryMode": "0700",
}
WORST_EXPOSURE = 20
"""Tenths of what `systemd-analyze security` calls the exposure level."""


def unit() -> dict[str, dict[str, list[str]]]:
    """Return the sections of the unit, each key with its values in their order; anything else fails."""
    sections: dict[str, dict[str, list[str]]] = {}
    for number, line in enumerate(UNIT.read_text().splitlines(), 1):
        if heading := re.fullmatch(r"\[([A-Z][a-z]+)\]", line):
            section = sections.setdefault(heading[1], defaultdict(list))
        elif setting := re.fullmatch(r"([A-Za-z]+)=(.*)", line):
            section[setting[1]].append(setting[2])
        else:
            assert not line or line.startswith("#"), f"line {number} is not of a unit: {line}"
    return sections


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with what follows each, in one line."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines if line]


def of(instruction: str) -> list[str]:
    return [rest for name, rest in instructions() if name == instruction]


def unknown_variables(names: list[str]) -> list[str]:
    stated = environment_tree(dict.fromkeys(names, "x"), KEYS)
    return [str(problem) for problem in stated.problems]


# --------------------------------------------------------------------------------------------- systemd


def test_the_unit_has_its_three_sections() -> None:
    assert list(unit()) == ["Unit", "Service", "Install"]
    assert unit()["Install"]["WantedBy"] == ["multi-user.target"]


def test_the_unit_starts_a_command_that_there_is() -> None:
    [start] = unit()["Service"]["ExecStart"]
    [arguments] = command_lines_in(start)
    assert arguments[0] == "serve"
    assert problems_of(arguments) == []
    assert shlex.split(start)[0] == "/opt/fencepost/bin/fencepost"


def test_the_unit_serves_the_folder_that_systemd_makes_for_it() -> None:
    service = unit()["Service"]
    [folder] = service["StateDirectory"]
    assert f"--data /var/lib/{folder}" in service["ExecStart"][0]


def test_the_unit_runs_as_a_user_of_its_own() -> None:
    assert unit()["Service"]["User"] == unit()["Service"]["Group"] == ["fencepost"]


@pytest.mark.parametrize("key", STRICT)
def test_the_unit_closes_what_the_service_does_not_need(key: str) -> None:
    assert unit()["Service"][key] == [STRICT[key]]


def test_the_unit_allows_the_system_calls_of_a_service_without_privileges() -> None:
    assert unit()["Service"]["SystemCallFilter"] == ["@system-service", "~@privileged @resources"]
    assert unit()["Service"]["RestrictAddressFamilies"] == ["AF_INET AF_INET6 AF_UNIX"]


def test_the_unit_comes_back_after_a_fault_and_leaves_time_for_an_orderly_end() -> None:
    service = unit()["Service"]
    assert service["Restart"] == ["on-failure"]
    assert service["KillSignal"] == ["SIGTERM"]
    assert int(service["TimeoutStopSec"][0]) > 10 + PARTING


def test_the_unit_allows_as_many_connections_as_the_settings() -> None:
    settings = Settings()
    connections = settings.http.max_connections + len(PROTOCOLS) * settings.gateway.max_connections
    assert int(unit()["Service"]["LimitNOFILE"][0]) > connections + RESERVED


def test_the_unit_lets_the_tls_of_the_front_door_make_its_callback() -> None:
    assert unit()["Service"]["MemoryDenyWriteExecute"] == ["false"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_understands_the_unit_and_finds_it_closed(tmp_path: Path) -> None:
    installed = tmp_path / UNIT.name
    installed.write_text(UNIT.read_text().replace("/opt/fencepost/bin/fencepost", "/bin/true"))
    for command in (
        ["verify", "--man=no"],
        ["security", "--no-pager", "--offline=true", f"--threshold={WORST_EXPOSURE}"],
    ):
        done = subprocess.run(
            ["systemd-analyze", *command, str(installed)], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


# ------------------------------------------------------------------------------------------- container


def test_the_image_runs_as_nobody_special() -> None:
    [user] = of("USER")
    ids = [int(number) for number in user.split(":")]
    assert min(ids) >= 1000
    assert [name for name, _ in instructions()].index("USER") > [name for name, _ in instructions()].index(
        "RUN"
    )


def test_both_stages_of_the_image_are_of_one_pinned_base() -> None:
    bases = [base.split()[0] for base in of("FROM")]
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.\d+-slim-bookworm", bases[0])


def test_the_image_installs_what_the_lock_says_and_nothing_unpinned() -> None:
    installs = [part for run in of("RUN") for part in run.split("&&") if "pip install" in part]
    assert len(installs) == 3
    for install in installs:
        assert "--no-cache-dir" in install
        assert "--require-hashes" in install or "--no-deps" in install or "uv==" in install
    assert any("uv export" in run and "--frozen" in run for run in of("RUN"))


def test_the_image_starts_a_command_that_there_is_on_its_volume() -> None:
    [entry], [command], [volume] = of("ENTRYPOINT"), of("CMD"), of("VOLUME")
    [arguments] = command_lines_in(shlex.join([*json.loads(entry), *json.loads(command)]))
    assert problems_of(arguments) == []
    assert arguments == ["serve", "--data", *json.loads(volume)]


def test_the_image_exposes_the_ports_that_the_service_listens_on() -> None:
    settings = Settings()
    ports = [settings.http.port, settings.mqtt.port, settings.amqp.port]
    assert of("EXPOSE") == [" ".join(map(str, ports))]
    assert of("STOPSIGNAL") == ["SIGTERM"]


def test_the_image_speaks_all_that_the_service_can() -> None:
    [export] = [run for run in of("RUN") if "uv export" in run]
    assert "--extra amqp" in export
    assert "--extra postgresql" in export


def test_variables_that_are_set_for_the_service_are_settings() -> None:
    names = re.findall(r"\bFENCEPOST_[A-Z_]+(?==)", (ROOT / "Dockerfile").read_text())
    assert {f"FENCEPOST_{section}_HOST" for section in ("HTTP", "MQTT", "AMQP")} <= {*names}
    assert unknown_variables([*names, *re.findall(r"\bFENCEPOST_[A-Z_]+", UNIT.read_text())]) == []


def test_what_the_image_copies_is_there_and_reaches_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    for copy in of("COPY"):
        if copy.startswith("--from="):
            continue
        for source in copy.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{PurePosixPath(source)}" in ignored, source
