"""The settings of the service: defaults, the file, the environment, and everything wrong at once."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from tests.setup.made import prepared

from fencepost.config.service import KEYS, LARGEST_MESSAGE, Control, Settings, is_local, load_settings
from fencepost.config.settings_text import settings_text
from fencepost.model.errors import OperatorError, Problem
from fencepost.wire.body import LIMIT

NOTHING: dict[str, str] = {}
MIB = 1 << 20
ANYWHERE = "0.0.0.0"  # noqa: S104 - a setting under test


def settings(folder: Path, text: str = "", environ: Mapping[str, str] = NOTHING) -> Settings:
    (folder / "fencepost.toml").write_text(text)
    return load_settings(folder, None, environ)


def problems(folder: Path, text: str = "", environ: Mapping[str, str] = NOTHING) -> list[Problem]:
    with pytest.raises(OperatorError) as caught:
        settings(folder, text, environ)
    return list(caught.value.problems)


def test_without_a_file_the_defaults_hold_in_the_data_folder(tmp_path: Path) -> None:
    made = load_settings(tmp_path, None, {})
    assert (made.http.host, made.http.port, made.http.tls) == ("127.0.0.1", 8443, True)
    assert made.http.max_body_bytes == 8 * MIB
    assert made.http.request_timeout == timedelta(seconds=30)
    assert made.http.max_connections == 2048
    assert made.ingest.register == "auto"
    assert made.ingest.queue_bytes == 64 * MIB
    assert made.journal.folder == tmp_path / "journal"
    assert made.journal.commit_interval == timedelta(milliseconds=5)
    assert made.control.url == f"sqlite:///{tmp_path / 'control.db'}"
    assert (made.snapshot.interval, made.snapshot.entries) == (timedelta(minutes=5), 100_000)
    assert (made.log.level, made.log.format) == ("info", "auto")


def test_the_defaults_are_the_files_that_a_new_installation_has(tmp_path: Path) -> None:
    installation = prepared(tmp_path)
    made = load_settings(tmp_path, None, {})
    assert (made.http.certificate, made.http.key) == (installation.certificate, installation.key)
    assert made.journal.folder == installation.journal


def test_the_greatest_message_is_the_one_that_decoders_take() -> None:
    assert LARGEST_MESSAGE == LIMIT


def test_a_new_file_states_every_default_as_a_comment(tmp_path: Path) -> None:
    text = settings_text()
    stated = re.sub(r"^#(?=\w+ = )", "", text, flags=re.MULTILINE)
    assert settings(tmp_path, text) == settings(tmp_path, stated) == settings(tmp_path)
    for section, keys in KEYS.items():
        table = stated.partition(f"[{section}]")[2].partition("\n[")[0]
        assert re.findall(r"^(\w+) = ", table, re.MULTILINE) == list(keys)
        assert len(re.findall(r"^# \S.*\.$", table, re.MULTILINE)) >= len(keys)


def test_a_changed_default_in_the_file_is_read_as_such(tmp_path: Path) -> None:
    """So that the test above cannot pass because nothing of the text is read."""
    text = re.sub(r"^#(?=\w+ = )", "", settings_text(), flags=re.MULTILINE)
    changed = text.replace("port = 8443", "port = 9000").replace('"PT5M"', '"PT6M"')
    made = settings(tmp_path, changed)
    assert (made.http.port, made.snapshot.interval) == (9000, timedelta(minutes=6))


def test_every_setting_can_be_stated_in_the_file(tmp_path: Path) -> None:
    made = settings(
        tmp_path,
        """
        log = {level = "debug", format = "json"}
        [http]
        host = "::"
        port = 0
        max_body_bytes = 1_000_000
        keep_alive = "PT1M"
        certificate = "/etc/ssl/own.pem"
        key = "own.key"
        [ingest]
        register = "refuse"
        max_message_bytes = "64 kB"
        [journal]
        folder = "../journal"
        seal_bytes = "1GiB"
        [control]
        url = "postgresql://fencepost:hunter2@db/fencepost"
        """,
    )
    assert (made.log.level, made.log.format) == ("debug", "json")
    assert (made.http.host, made.http.port, made.http.max_body_bytes) == ("::", 0, 1_000_000)
    assert (made.http.certificate, made.http.key) == (Path("/etc/ssl/own.pem"), tmp_path / "own.key")
    assert (made.ingest.register, made.ingest.max_message_bytes) == ("refuse", 64_000)
    assert (made.journal.folder, made.journal.seal_bytes) == (tmp_path / "../journal", 1024 * MIB)
    assert made.control.url == "postgresql://fencepost:hunter2@db/fencepost"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    text = '[http]\nhost = "0.0.0.0"\nport = 1\ntls = true\n[control]\nurl = "sqlite:///a.db"\n'
    environ = {
        "FENCEPOST_HTTP_HOST": "127.0.0.1",
        "FENCEPOST_HTTP_PORT": "9443",
        "FENCEPOST_HTTP_TLS": "false",
        "FENCEPOST_HTTP_MAX_BODY_BYTES": "1MiB",
        "FENCEPOST_INGEST_MAX_MESSAGE_BYTES": "1000",
        "FENCEPOST_SNAPSHOT_INTERVAL": "PT1M",
        "FENCEPOST_JOURNAL_FOLDER": "/var/journal",
        "FENCEPOST_CONTROL_URL": "sqlite:////var/control.db",
        "FENCEPOST_LOG_LEVEL": "warning",
    }
    made = settings(tmp_path, text, environ)
    assert (made.http.host, made.http.port, made.http.tls) == ("127.0.0.1", 9443, False)
    assert (made.http.max_body_bytes, made.ingest.max_message_bytes) == (MIB, 1000)
    assert made.snapshot.interval == timedelta(minutes=1)
    assert made.journal.folder == Path("/var/journal")
    assert made.control.url == "sqlite:////var/control.db"
    assert made.log.level == "warning"


def test_relative_paths_begin_where_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    file = tmp_path / "etc" / "site.toml"
    file.write_text('[http]\ncertificate = "c.pem"\nkey = "c.key"\n[control]\nurl = "sqlite:///x/c.db"\n')
    made = load_settings(tmp_path / "data", file, {"FENCEPOST_HTTP_KEY": "here.key"})
    assert made.http.certificate == tmp_path / "etc" / "c.pem"
    assert made.http.key == Path("here.key")
    assert made.control.url == f"sqlite:///{tmp_path}/etc/x/c.db"
    assert made.journal.folder == tmp_path / "data" / "journal"


def test_all_that_is_wrong_is_said_at_once_each_where_it_stands(tmp_path: Path) -> None:
    text = """\
htpp = 1
[http]
prot = 1
port = 65536
tls = "yes"
host = 127
max_body_bytes = "8 megabytes"
request_timeout = "30s"
keep_alive = "P2D"
max_connections = 0
certificate = "own.pem"
[ingest]
register = "Auto"
max_message_bytes = 262145
queue_bytes = "1B"
[journal]
commit_interval = 5
[control]
url = "mysql://root:hunter2@db/fencepost"
[log]
level = "verbose"
[snapshot]
entries = 1.5
interval = 05:00:00
"""
    environ = {"FENCEPOST_HTTP_MAX_CONNECTIONS": "many", "FENCEPOST_LOG_FROMAT": "json"}
    found = problems(tmp_path, text, environ)
    assert [(problem.path, problem.line) for problem in found] == [
        ("FENCEPOST_LOG_FROMAT", 0),
        ("FENCEPOST_HTTP_MAX_CONNECTIONS", 0),
        ("htpp", 1),
        ("http.prot", 3),
        ("http.port", 4),
        ("http.tls", 5),
        ("http.host", 6),
        ("http.max_body_bytes", 7),
        ("http.request_timeout", 8),
        ("http.keep_alive", 9),
        ("http.max_connections", 10),
        ("http.certificate", 11),
        ("ingest.register", 13),
        ("ingest.max_message_bytes", 14),
        ("ingest.queue_bytes", 15),
        ("journal.commit_interval", 17),
        ("control.url", 19),
        ("log.level", 21),
        ("snapshot.entries", 23),
        ("snapshot.interval", 24),
    ]
    file = str(tmp_path / "fencepost.toml")
    assert {problem.file for problem in found} == {"", file}
    reasons = {problem.path: problem.reason for problem in found}
    assert reasons["htpp"] == "unknown key 'htpp': did you mean 'http'?"
    assert reasons["http.prot"] == "unknown key 'prot': did you mean 'port'?"
    assert reasons["http.port"] == "65536 is not between 0 and 65535"
    assert reasons["http.tls"] == "expected true or false, got 'yes'"
    assert reasons["http.host"] == "expected a text in quotes, got '127'"
    assert "'8 megabytes' is not a size: write it as in 64MiB" in reasons["http.max_body_bytes"]
    assert "such as PT30S" in reasons["http.request_timeout"]
    assert reasons["http.keep_alive"] == "P2D is not between PT1S and PT24H"
    assert reasons["FENCEPOST_HTTP_MAX_CONNECTIONS"] == "expected a whole number, such as 30, got 'many'"
    assert reasons["http.certificate"].startswith("http.key is missing")
    assert reasons["ingest.register"] == "'Auto' is not one of auto, refuse: did you mean 'auto'?"
    assert reasons["ingest.queue_bytes"] == "1B is not between 1KiB and 64GiB"
    assert reasons["snapshot.interval"].startswith(
        "expected a duration in ISO 8601, such as PT5M, got '05:00"
    )
    assert reasons["FENCEPOST_LOG_FROMAT"] == "there is no such setting: did you mean FENCEPOST_LOG_FORMAT?"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_without_tls_the_service_listens_to_this_machine(tmp_path: Path, host: str) -> None:
    assert not settings(tmp_path, f'[http]\nhost = "{host}"\ntls = false\n').http.tls


@pytest.mark.parametrize("host", [ANYWHERE, "::", "192.0.2.7", "fencepost.example", "localhost.example"])
def test_without_tls_it_listens_to_no_other(tmp_path: Path, host: str) -> None:
    (problem,) = problems(tmp_path, f'[http]\nhost = "{host}"\n\ntls = false\n')
    assert (problem.path, problem.line) == ("http.tls", 4)
    assert "loopback" in problem.reason
    (problem,) = problems(tmp_path, f'[http]\nhost = "{host}"\n', {"FENCEPOST_HTTP_TLS": "false"})
    assert problem.path == "FENCEPOST_HTTP_TLS"
    assert settings(tmp_path, f'[http]\nhost = "{host}"\n').http.host == host


@pytest.mark.parametrize("host", ["0.0.0.0:8443", "https://a", "a b", "-a", "999.1.1.1", "*", "", "a\tb"])
def test_a_host_that_is_none_is_refused(tmp_path: Path, host: str) -> None:
    (problem,) = problems(tmp_path, f'[http]\nhost = "{host}"\n'.replace("\t", "\\t"))
    assert (problem.path, problem.line) == ("http.host", 2)


@pytest.mark.parametrize(
    "url",
    [
        *("mysql://root:hunter2@db/f", "postgres://root:hunter2@db/f", "sqlite://", "sqlite:///"),
        *("sqlite:///:memory:", "sqlite:///a.db?password=hunter2", "sqlite:///50%20.db", "hunter2"),
    ],
)
def test_a_url_that_is_none_is_refused_without_being_shown(tmp_path: Path, url: str) -> None:
    for text, environ in ((f'[control]\nurl = "{url}"\n', {}), ("", {"FENCEPOST_CONTROL_URL": url})):
        (problem,) = problems(tmp_path, text, environ)
        assert problem.path in ("control.url", "FENCEPOST_CONTROL_URL")
        assert "hunter2" not in str(problem)
        assert "sqlite" in problem.reason.lower()


def test_a_data_folder_whose_name_no_url_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"control\.url: .* name another"):
        load_settings(tmp_path / "what?", None, {})


def test_a_password_is_not_shown_by_the_settings() -> None:
    assert "hunter2" not in repr(Settings(control=Control(url="postgresql://f:hunter2@db/f")))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('[ingest]\nqueue_bytes = "4MiB"\n', "ingest.queue_bytes"),
        ('[ingest]\nqueue_bytes = "1MiB"\n', "ingest.queue_bytes"),
        ('[http]\nmax_body_bytes = "100KiB"\n', "http.max_body_bytes"),
    ],
)
def test_bounds_that_do_not_fit_into_each_other_are_refused(tmp_path: Path, text: str, path: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert (problem.path, problem.line) == (path, 2)
    assert "would never fit" in problem.reason


def test_a_certificate_and_its_key_are_set_together_wherever(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, '[http]\nkey = "a"\n')
    assert (problem.path, problem.reason[:19]) == ("http.key", "http.certificate is")
    made = settings(tmp_path, '[http]\nkey = "a"\n', {"FENCEPOST_HTTP_CERTIFICATE": "b"})
    assert made.http.certificate == Path("b")


@pytest.mark.parametrize(
    "text", ["http = 5", "[[http]]\nport = 1", "[http.port]\na = 1", "[http]\nport = [1]"]
)
def test_a_value_of_the_wrong_shape_is_a_problem_and_no_crash(tmp_path: Path, text: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert problem.reason.startswith("expected a ")


@pytest.mark.parametrize("text", ["", "nan", "-1", "1.5", "٣", "true", "0x10", " 1"])
def test_a_variable_that_is_no_number_is_refused(tmp_path: Path, text: str) -> None:
    (problem,) = problems(tmp_path, "", {"FENCEPOST_HTTP_PORT": text})
    assert problem.path == "FENCEPOST_HTTP_PORT"


def test_a_file_that_is_named_must_be_there_and_be_toml(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"site.toml: there is no such file"):
        load_settings(tmp_path, tmp_path / "site.toml", {})
    (problem,) = problems(tmp_path, "[http]\nport = \n")
    assert (problem.file, problem.line) == (str(tmp_path / "fencepost.toml"), 2)


def test_a_link_to_a_file_that_is_gone_is_not_taken_for_no_settings(tmp_path: Path) -> None:
    (tmp_path / "fencepost.toml").symlink_to("gone.toml")
    with pytest.raises(OperatorError, match="there is no such file"):
        load_settings(tmp_path, None, {})


@pytest.mark.parametrize("section", ["http", "mqtt", "amqp"])
def test_a_host_with_a_port_is_told_where_the_port_belongs(tmp_path: Path, section: str) -> None:
    [problem] = problems(tmp_path, f'[{section}]\nhost = "0.0.0.0:1"\n')
    assert problem.path == f"{section}.host"
    assert problem.reason.endswith(f"the port is {section}.port")


def test_a_host_name_of_devices_has_no_port(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, '[gateway]\nhostnames = ["hub.example", "hub.example:8883"]\n')
    assert problem.reason == (
        "'hub.example:8883' is neither a name nor an address: write it as in hub.example.com, without a port"
    )


def test_a_service_is_local_as_long_as_all_its_ways_in_are(tmp_path: Path) -> None:
    assert is_local(load_settings(tmp_path, None, {}))
    for section in ("HTTP", "MQTT", "AMQP"):
        assert not is_local(load_settings(tmp_path, None, {f"FENCEPOST_{section}_HOST": "192.0.2.7"}))
