"""What the documents say is so: links lead somewhere, commands exist, settings and figures are those of the program."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import yaml
from tests.command_lines import command_lines_in, problems_of
from tests.serving import Serving

from fencepost.app.front_door import PERMISSIONS
from fencepost.config.service import KEYS, SECTIONS
from fencepost.config.setting import size_text, span_text
from fencepost.config.settings_text import _written
from fencepost.model.alert import TRANSITIONS
from fencepost.model.entry import Entry
from fencepost.model.record import TallyKind
from fencepost.service.commands import BY_HAND
from fencepost.web.azure import iothub

ROOT = Path(__file__).parent.parent
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md"])
LIBRARY = "process_"
"""Figures of the process: prometheus-client makes them, and says what they are."""


def named(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def blocks_of(text: str) -> list[tuple[str, str]]:
    """Return the fenced blocks of a page, each with its language."""
    return re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def prose_of(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors_of(page: Path) -> set[str]:
    """Return what `#...` can name in a page, made from its headings as GitHub does."""
    headings = re.findall(r"^#+ (.*)$", prose_of(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose_of(page.read_text(encoding="utf-8"))):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            yield f"{page.name}: {link}"


def shown_commands(page: Path) -> Iterator[list[str]]:
    """Yield the command lines of a page, in blocks and between backticks."""
    text = page.read_text(encoding="utf-8")
    for language, block in blocks_of(text):
        if language in {"sh", "console", "text", "ini", ""}:
            yield from command_lines_in(block)
    for code in re.findall(r"`([^`\n]+)`", prose_of(text)):
        yield from command_lines_in(code)


def settings_table(section: str) -> str:
    """Return how docs/settings.md shows a section: made from the declarations of the settings."""
    head = f"## `[{section}]`\n\n{(SECTIONS[section].__doc__ or '').strip().partition(chr(10))[0]}\n\n"
    lines = ["| setting | default | allowed | variable | meaning |", "|---|---|---|---|---|"]
    for name, field in KEYS[section].items():
        kind, key = get_args(field.type)
        default = _written(name, field.default)
        variable = f"FENCEPOST_{section}_{name}".upper()
        lines.append(
            f"| `{name}` | `{default}` | {_allowed(name, kind, key)} | `{variable}` | {key.meaning} |"
        )
    return head + "\n".join(lines) + "\n"


def _allowed(name: str, kind: Any, key: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(f"`{_written('', choice)}`" for choice in get_args(kind))
    if key.least is None:
        return ""
    shown = span_text if kind is timedelta else size_text if name.endswith("_bytes") else str
    return f"`{shown(key.least)}` to `{shown(key.greatest)}`"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    service = Serving(tmp_path_factory.mktemp("docs") / "data")
    yield service
    assert service.stop() == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [*broken_links(page)] == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A `b` c, d\n[there](#a-b-c-d) [not there](#a) [gone](gone.md) [web](https://example.com)\n"
    )
    assert [*broken_links(page)] == ["page.md: #a", "page.md: gone.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_is_one_that_there_is(page: Path) -> None:
    assert [problem for line in shown_commands(page) for problem in problems_of(line)] == []


def test_a_command_line_that_there_is_not_is_found() -> None:
    text = "sudo -u fencepost /opt/fencepost/bin/fencepost serve \\\n  --dat x | cat --no\nfencepost journal mend\n"
    assert [problems_of(line) for line in command_lines_in(text)] == [
        ["serve --dat x: there is no option --dat"],
        ["journal mend: there is no such command"],
    ]


def test_the_pages_that_an_operator_follows_show_commands() -> None:
    shown = {tuple(line[:1]) for page in PAGES for line in shown_commands(page)}
    assert {("init",), ("serve",), ("devices",), ("journal",), ("rebuild",)} <= shown


@pytest.mark.parametrize("section", KEYS)
def test_the_page_of_settings_says_what_the_settings_are(section: str) -> None:
    assert settings_table(section) in named("settings.md")


def test_the_page_of_settings_names_no_other_sections() -> None:
    assert re.findall(r"^## `\[(\w+)\]`$", named("settings.md"), re.MULTILINE) == [*KEYS]


def test_every_block_of_yaml_and_json_can_be_read() -> None:
    for page in PAGES:
        for language, block in blocks_of(page.read_text(encoding="utf-8")):
            if language in {"yaml", "json"}:
                assert [*yaml.safe_load_all(block)], page


def test_every_figure_is_explained_and_every_figure_explained_is_there(serving: Serving) -> None:
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", serving.metrics.get("/metrics").text, re.MULTILINE))
    served = {name for name in kinds if not name.endswith("_created") and not name.startswith(LIBRARY)}
    explained = set(re.findall(r"^\| `(fencepost_\w+)", named("operations.md"), re.MULTILINE))
    assert explained == served
    parts = ("", "_bucket", "_count", "_sum")
    used = set(re.findall(r"\bfencepost_[a-z_]+\b", named("operations.md")))
    assert used <= {name + part for name in served for part in parts}


def test_the_alerting_rules_are_rules_of_prometheus() -> None:
    [text] = [block for language, block in blocks_of(named("operations.md")) if "alert:" in block]
    [group] = yaml.safe_load(text)["groups"]
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"]) >= 6
    for rule in group["rules"]:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["annotations"]["summary"]


def test_every_parameter_of_the_api_is_in_its_page(serving: Serving) -> None:
    document = serving.stranger.get("/openapi/openapi.json").json()
    names = {
        parameter["name"]
        for item in document["paths"].values()
        for operation in item.values()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    }
    assert [name for name in sorted(names) if f"`{name}`" not in named("api.md")] == []


def test_every_answer_of_the_api_is_in_its_page(serving: Serving) -> None:
    document = serving.stranger.get("/openapi/openapi.json").json()
    statuses = {
        status
        for item in document["paths"].values()
        for operation in item.values()
        for status in operation["responses"]
    }
    stated = set(re.findall(r"^\| (\d{3}) \|", named("api.md"), re.MULTILINE))
    assert statuses <= stated


def test_every_step_that_a_person_may_take_with_an_alert_is_in_the_api_page() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| (\w+) \|$", named("api.md"), re.MULTILINE)
    stated = {(before, action): after for action, befores, after in rows for before in befores.split(", ")}
    assert stated == {pair: after for pair, after in TRANSITIONS.items() if pair[1] in BY_HAND}


def test_every_call_of_iot_hub_that_owners_make_is_in_the_page_of_the_front_door() -> None:
    rows = re.findall(r"^\| (`[A-Z]+`(?: `[A-Z]+`)*) \| (`/.*?`) \|", named("gateway.md"), re.MULTILINE)
    stated = {
        (method, path)
        for methods, paths in rows
        for method in re.findall(r"`(\w+)`", methods)
        for path in re.findall(r"`(\S+)`", paths)
    }
    served = {
        (str(method), re.sub(r"\{\w+:str\}", "{id}", path))
        for handler in iothub.HANDLERS
        for method in handler.http_methods
        for path in handler.paths
    }
    query = {("POST", "/devices/query"): ("POST", "/devices/{id}")}
    assert {query.get(call, call) for call in stated} == served


def test_the_shared_access_policies_are_those_of_the_page_of_the_front_door() -> None:
    table = named("gateway.md").partition("| policy | may |")[2].partition("\n\n")[0]
    assert {*re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)} == {*PERMISSIONS}


def kinds_in(table: str) -> set[str]:
    return {
        kind
        for row in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
        for kind in re.findall(r"`(.+?)`", row)
    }


def test_every_kind_of_entry_is_in_the_page_of_the_command_line() -> None:
    table = named("cli.md").partition("| kind | what it is |")[2].partition("\n\n")[0]
    assert kinds_in(table) == {one.__struct_config__.tag for one in get_args(Entry)}


def test_every_kind_of_tally_is_in_the_page_of_the_api() -> None:
    table = named("api.md").partition("| `kind` | what happened |")[2].partition("\n\n")[0]
    assert kinds_in(table) == {*get_args(TallyKind)}
