"""`fencepost init` from the outside."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.invocation import lines_of, run

from fencepost.app.front_door import hub_name
from fencepost.cli.access import target_of
from fencepost.cli.service_options import Stated
from fencepost.config.service import load_settings
from fencepost.setup.installation import load

SECRETS = ("fpa_", "fpi_", "fpm_")


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("FENCEPOST_")]:
        monkeypatch.delenv(name)


def init(*arguments: object) -> dict[str, Any]:
    result = run("init", *arguments, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    (line,) = lines_of(result)
    return line


def test_json_holds_all_that_a_client_needs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = init("--data", data, "--hostname", "Edge.example", "--hostname", "192.0.2.7")
    assert list(made) == [
        *("url", "authority", "ca_file", "data", "admin_token", "ingest_token", "metrics_token"),
        *("iothub_connection_string", "id_scope", "enrollment_key"),
        *("subscription_id", "resource_group", "iothub_name", "workspace_id", "tenant_id", "location"),
        *("hub_hostname", "hostnames", "created"),
    ]
    assert made["url"] == "https://edge.example:8443"
    assert (made["ca_file"], made["data"]) == (str(data / "tls" / "ca.pem"), str(data))
    tokens = json.loads((data / "tokens.json").read_bytes())
    assert {name: made[f"{name}_token"] for name in tokens} == tokens
    identity = json.loads((data / "identity.json").read_bytes())
    assert {name: made[name] for name in identity} == identity
    hub = json.loads((data / "hub.json").read_bytes())
    assert (made["id_scope"], made["enrollment_key"]) == (hub["id_scope"], hub["enrollment"]["primary"])
    assert made["iothub_connection_string"] == (
        "HostName=edge.example:8443;SharedAccessKeyName=iothubowner;"
        f"SharedAccessKey={hub['iothubowner']['primary']}"
    )
    assert {"edge.example", "192.0.2.7", "localhost"} <= set(made["hostnames"])
    assert "tls/server.pem" in made["created"]


def test_a_second_run_says_the_same_and_makes_nothing(tmp_path: Path) -> None:
    first, second = init("--data", tmp_path), init("--data", tmp_path)
    assert second.pop("created") == []
    assert first.pop("created") != []
    assert first == second


@pytest.mark.parametrize(
    ("hostnames", "url"),
    [
        ((), "https://localhost:8443"),
        (("*.plant.example",), "https://localhost:8443"),
        (("*.plant.example", "b.example", "c.example"), "https://b.example:8443"),
        (("2001:DB8::7",), "https://[2001:db8::7]:8443"),
    ],
)
def test_the_url_has_the_first_name_that_can_stand_there(
    tmp_path: Path, hostnames: tuple[str, ...], url: str
) -> None:
    options = [word for name in hostnames for word in ("--hostname", name)]
    assert init("--data", tmp_path, *options)["url"] == url


def test_the_url_has_the_port_and_the_scheme_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init("--data", tmp_path)
    (tmp_path / "fencepost.toml").write_text("[http]\nport = 9443\n")
    assert init("--data", tmp_path)["url"] == "https://localhost:9443"
    site = tmp_path / "site.toml"
    site.write_text("[http]\nport = 80\ntls = false\n")
    plain = init("--data", tmp_path, "--config", site)
    assert (plain["url"], plain["ca_file"]) == ("http://localhost:80", None)
    monkeypatch.setenv("FENCEPOST_HTTP_PORT", "1443")
    assert init("--data", tmp_path)["url"] == "https://localhost:1443"


@pytest.mark.parametrize(
    ("port", "hostnames", "named"),
    [
        (443, ("hub.example",), "hub.example"),
        (8443, (), "localhost:8443"),
        (443, ("2001:DB8::7",), "[2001:db8::7]"),
        (4430, (), "localhost:4430"),
    ],
)
def test_the_connection_string_names_the_port_unless_it_is_the_usual_one(
    tmp_path: Path, port: int, hostnames: tuple[str, ...], named: str
) -> None:
    init("--data", tmp_path)
    (tmp_path / "fencepost.toml").write_text(f"[http]\nport = {port}\n")
    options = [word for name in hostnames for word in ("--hostname", name)]
    said = init("--data", tmp_path, *options)["iothub_connection_string"]
    assert said.split(";")[0] == f"HostName={named}"


def test_the_connection_string_names_the_hub_whatever_is_asked_for_later(tmp_path: Path) -> None:
    init("--data", tmp_path, "--hostname", "hub.example")
    for made in (init("--data", tmp_path), init("--data", tmp_path, "--hostname", "new.example")):
        assert made["hub_hostname"] == "hub.example"
        assert made["iothub_connection_string"].startswith("HostName=hub.example:8443;")
        target = target_of(Stated(None, None, None, tmp_path))
        installation, settings = load(tmp_path), load_settings(tmp_path, None, {})
        assert hub_name(settings, installation) == target.hostname == "hub.example"
    assert init("--data", tmp_path, "--hostname", "new.example")["url"] == "https://new.example:8443"


@pytest.mark.parametrize(("host", "named"), [("127.0.0.1", "localhost"), ("0.0.0.0", "edge-7")])  # noqa: S104
def test_without_any_name_all_name_this_machine_as_it_can_be_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, named: str
) -> None:
    monkeypatch.setattr("fencepost.setup.hostnames.gethostname", lambda: "edge-7")
    init("--data", tmp_path)
    (tmp_path / "fencepost.toml").write_text(f'[mqtt]\nhost = "{host}"\n')
    made, settings = init("--data", tmp_path), load_settings(tmp_path, None, {})
    assert made["hub_hostname"] == named
    assert made["iothub_connection_string"].startswith(f"HostName={named}:8443;")
    assert target_of(Stated(None, None, None, tmp_path)).hostname == named
    assert hub_name(settings, load(tmp_path)) == named


def test_rsa_is_refused_where_there_is_another_kind_of_key(tmp_path: Path) -> None:
    init("--data", tmp_path / "rsa", "--rsa")
    init("--data", tmp_path / "other")
    result = run("init", "--data", tmp_path / "other", "--rsa")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{tmp_path}/other/tls/ca.pem: its key is ECDSA")
    assert result.stderr.count("\n") == 1


def test_with_a_certificate_from_elsewhere_our_authority_verifies_nothing(tmp_path: Path) -> None:
    init("--data", tmp_path)
    (tmp_path / "fencepost.toml").write_text('[http]\ncertificate = "own.pem"\nkey = "own.key"\n')
    assert init("--data", tmp_path)["ca_file"] is None
    (tmp_path / "fencepost.toml").write_text(
        '[http]\ncertificate = "tls/server.pem"\nkey = "tls/server.key"\n'
    )
    assert init("--data", tmp_path)["ca_file"] == str(tmp_path / "tls" / "ca.pem")


def test_text_says_what_was_made_what_to_trust_and_what_comes_next_but_no_secret(tmp_path: Path) -> None:
    data = tmp_path / "my data"
    first, second = run("init", "--data", data), run("init", "--data", data)
    for result in (first, second):
        assert (result.exit_code, result.stderr) == (0, "")
        assert f"curl --cacert '{data}/tls/ca.pem' https://localhost:8443/healthz" in result.stdout
        assert str(data / "tokens.json") in result.stdout
        assert result.stdout.endswith(f"Next:\n  fencepost serve --data '{data}'\n")
        assert not any(secret in result.stdout for secret in SECRETS)
        hub = json.loads((data / "hub.json").read_bytes())
        assert f"id scope {hub['id_scope']}; connection string and enrollment key: " in result.stdout
        keys = [key for pair in hub.values() if isinstance(pair, dict) for key in pair.values()]
        assert len(keys) == 12
        assert not any(key in result.stdout for key in keys)
    assert "made tokens.json, hub.json" in first.stdout
    assert "all is there" in second.stdout
    assert "restart" not in first.stdout + second.stdout


def test_a_new_certificate_is_told_together_with_the_restart_that_it_needs(tmp_path: Path) -> None:
    run("init", "--data", tmp_path)
    result = run("init", "--data", tmp_path, "--hostname", "new.example")
    assert "made tls/server.pem, identity.json\n" in result.stdout
    assert "new.example, localhost" in result.stdout
    assert "restart fencepost serve" in result.stdout


def test_that_the_service_listens_to_this_machine_only_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hint = 'for other machines, set host = "0.0.0.0"'
    assert f"listens on 127.0.0.1, port 8443; {hint}" in run("init", "--data", tmp_path).stdout
    monkeypatch.setenv("FENCEPOST_HTTP_HOST", "::")
    assert hint not in run("init", "--data", tmp_path).stdout


def test_the_data_folder_is_named_by_the_option_else_the_environment_else_it_lies_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert init()["data"] == str(tmp_path / "fencepost-data")
    monkeypatch.setenv("FENCEPOST_DATA", str(tmp_path / "elsewhere"))
    assert init()["data"] == str(tmp_path / "elsewhere")
    assert init("--data", tmp_path / "named")["data"] == str(tmp_path / "named")


def test_a_secret_that_others_can_read_is_a_warning_beside_the_output(tmp_path: Path) -> None:
    init("--data", tmp_path)
    (tmp_path / "tokens.json").chmod(0o644)
    result = run("init", "--data", tmp_path, "--json")
    assert result.exit_code == 0
    assert result.stderr.startswith(f"warning: {tmp_path / 'tokens.json'}: ")
    assert f"chmod 600 {tmp_path / 'tokens.json'}" in result.stderr
    assert len(lines_of(result)) == 1


@pytest.mark.parametrize("name", ["a b", "*", "..", "x" * 300, "münchen.example", "\x1b[31m", "", "xn--"])
def test_a_name_that_is_none_is_an_operators_fault_and_nothing_is_made(tmp_path: Path, name: str) -> None:
    result = run("init", "--data", tmp_path / "data", "--hostname", name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("--hostname: ")
    assert result.stderr.count("\n") == 1
    assert result.stderr.strip().isprintable()
    assert not (tmp_path / "data").exists()


def test_wrong_settings_are_said_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FENCEPOST_HTTP_PORT", "99999")
    monkeypatch.setenv("FENCEPOST_HTPP_PORT", "1")
    result = run("init", "--data", tmp_path / "data")
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 2
    assert not (tmp_path / "data").exists()


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    result = run("init", "--data", tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "holds other things" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_real_process_makes_it_with_any_umask(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fencepost", "init", "--data", str(tmp_path / "data"), "--json"],
        capture_output=True,
        check=False,
        timeout=60,
        umask=0,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["data"] == str(tmp_path / "data")
    everything = [tmp_path / "data", *(tmp_path / "data").rglob("*")]
    assert len(everything) == 13
    assert not any(stat.S_IMODE(path.stat().st_mode) & 0o077 for path in everything)
