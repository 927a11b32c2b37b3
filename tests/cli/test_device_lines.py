"""Files of devices are read as they are, and all that is wrong with them is named with its line."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fencepost.cli.device_lines import DeviceFile, parse
from fencepost.client.hub_shapes import HubAuthentication, Keys, Line, Thumbprints
from fencepost.model.identity import Authentication

KEY, OTHER = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
SHA1 = "0123456789ABCDEF0123456789ABCDEF01234567"
EXPORTED: dict[str, Any] = {
    "id": "cam-1",
    "eTag": "MQ==",
    "status": "disabled",
    "statusReason": "in stock",
    "authentication": {
        "symmetricKey": {"primaryKey": KEY, "secondaryKey": OTHER},
        "x509Thumbprint": {"primaryThumbprint": None, "secondaryThumbprint": None},
        "type": "sas",
    },
    "twinETag": "AAAAAAAAAAE=",
    "tags": {"SecurityGroup": "cameras"},
    "properties": {
        "desired": {"rate": 5, "$metadata": {"$lastUpdated": "2024-01-01T00:00:00Z"}, "$version": 7},
        "reported": {"battery": 40, "$metadata": {}, "$version": 3},
    },
    "capabilities": {"iotEdge": False},
    "deviceScope": "ms-azure-iot-edge://cam-1",
    "parentScopes": [],
}


def exported(**changes: Any) -> str:
    return json.dumps({**EXPORTED, **changes})


def read(*lines: str) -> DeviceFile:
    return parse("\n".join(lines).encode(), "f")


def wrong(*lines: str) -> list[str]:
    return [str(problem) for problem in read(*lines).problems]


def test_a_line_of_an_export_keeps_keys_tags_and_desired_properties_and_no_more() -> None:
    [entry] = read(exported()).entries
    assert (entry.line, entry.needs_keys) == (1, False)
    assert json.loads(msgspec.json.encode(entry.item)) == {
        "id": "cam-1",
        "status": "disabled",
        "statusReason": "in stock",
        "authentication": {
            "type": "sas",
            "symmetricKey": {"primaryKey": KEY, "secondaryKey": OTHER},
            "x509Thumbprint": None,
        },
        "capabilities": {"iotEdge": False},
        "tags": {"SecurityGroup": "cameras"},
        "properties": {"desired": {"rate": 5}},
    }


def test_modules_are_read_and_have_no_status() -> None:
    [device, module] = read(exported(), exported(moduleId="azureiotsecurity", managedBy="me")).entries
    assert (module.item.module_id, module.item.managed_by, module.item.status) == (
        "azureiotsecurity",
        "me",
        None,
    )
    assert device.item.status == "disabled"


def test_lines_without_keys_are_known_as_such() -> None:
    said = read(
        exported(id="a", authentication=None),
        exported(
            id="b", authentication={"type": "sas", "symmetricKey": {"primaryKey": "", "secondaryKey": None}}
        ),
        exported(
            id="c", authentication={"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": SHA1}}
        ),
        exported(id="d", authentication={"type": "certificateAuthority"}),
        exported(id="d", moduleId="m", authentication=None),
        exported(id="d", moduleId="azureiotsecurity", authentication=None),
    )
    assert said.problems == ()
    assert [entry.needs_keys for entry in said.entries] == [True, True, False, False, True, False]


def test_what_names_no_status_says_nothing_of_it() -> None:
    assert [entry.item.status for entry in read("id", "cam-1").entries] == [None]
    assert [entry.item.status for entry in read("id,status", "a,", "b,ENABLED", "c,disabled").entries] == [
        None,
        "enabled",
        "disabled",
    ]
    without = {name: value for name, value in EXPORTED.items() if name != "status"}
    assert [entry.item.status for entry in read(json.dumps(without)).entries] == [None]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{]", "f:1: this is no line of JSON: "),
        (
            exported(authentication={"type": "x"}),
            "f:1: authentication.type: 'x' is none of sas, selfSigned, ",
        ),
    ],
)
def test_what_is_wrong_with_a_line_is_named(line: str, problem: str) -> None:
    assert wrong(line)[0].startswith(problem)


def test_marks_of_byte_order_line_ends_and_empty_lines_do_not_matter() -> None:
    content = b"\xef\xbb\xbf\r\n" + exported().encode() + b"\r\n\r\n" + exported(id="cam-2").encode() + b"\n"
    said = parse(content, "f")
    assert [(entry.line, entry.item.id) for entry in said.entries] == [(2, "cam-1"), (4, "cam-2")]
    assert parse(b"id\r\ncam-1\r\n\r\ncam-2", "f").entries[1].line == 4


def test_everything_that_is_wrong_is_named_with_its_line_and_the_rest_is_read() -> None:
    said = read(
        exported(id="good"),
        exported(id="bad id"),
        exported(id=7),
        "{",
        exported(id="x", status="on"),
        exported(id="k", authentication={"symmetricKey": {"primaryKey": "c2hvcnQ="}}),
        exported(
            id="t", authentication={"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": "AB"}}
        ),
        exported(id="good", moduleId=None),
        exported(id="gone", importMode="delete"),
        exported(id="tags", tags={"a.b": 1}),
        exported(id="big", tags={"a": ["x" * 4000] * 3}),
        exported(id="also-good", importMode="createOrUpdate"),
    )
    assert [entry.item.id for entry in said.entries] == ["good", "also-good"]
    reasons = [str(problem) for problem in said.problems]
    assert [reason.split(":")[:2] for reason in reasons] == [["f", str(line)] for line in range(2, 12)]
    for reason, words in zip(
        reasons,
        [
            "id: an id is 1 to 128 letters",
            "id: Expected `str`, got `int`",
            "the line ends too early: is the file complete?",
            "status: 'on' is neither enabled nor disabled",
            "authentication.symmetricKey.primaryKey: a key is base64 of 16 to 64 bytes",
            "authentication.x509Thumbprint.primaryThumbprint: a thumbprint is 40",
            "id: good stands in line 1 already",
            "importMode: an import deletes nothing",
            "tags.a.b: ",
            "tags: at most 8192 bytes are taken",
        ],
        strict=True,
    ):
        assert words in reason


def test_no_problem_quotes_a_key() -> None:
    bad = {"symmetricKey": {"primaryKey": "c2VjcmV0"}, "type": "sas"}
    said = wrong(exported(authentication=bad), "", exported(authentication={"symmetricKey": "c2VjcmV0"}))
    assert len(said) == 2
    assert "c2VjcmV0" not in "".join([*said, *wrong("id,primary_key", "cam-1,c2VjcmV0")])


def test_csv_says_what_a_device_is() -> None:
    said = read(
        "id,group,status,primary_key,secondary_key,primary_thumbprint,secondary_thumbprint,authentication",
        f"cam-1,cameras,Disabled,{KEY},{OTHER},,,",
        f"cam-2,,,,,{':'.join(SHA1[at : at + 2].lower() for at in range(0, 40, 2))},,",
        "cam-3,,,,,,,CertificateAuthority",
        '"cam-4","plant, 2",,,, ,,sas',
    )
    assert said.problems == ()
    items = [entry.item for entry in said.entries]
    assert items[0] == Line(
        id="cam-1",
        status="disabled",
        authentication=HubAuthentication("sas", Keys(KEY, OTHER)),
        tags={"SecurityGroup": "cameras"},
    )
    assert items[1].authentication == HubAuthentication("selfSigned", None, Thumbprints(SHA1))
    assert items[1].tags is None
    assert items[2].authentication == HubAuthentication("certificateAuthority")
    assert [entry.needs_keys for entry in said.entries] == [False, False, False, True]


@pytest.mark.parametrize("head", ["id;group", "ID , Group"])
def test_csv_as_spreadsheets_write_it(head: str) -> None:
    sign = ";" if ";" in head else ","
    [entry] = read(head, f"cam-1{sign}cameras").entries
    assert (entry.item.id, entry.item.tags) == ("cam-1", {"SecurityGroup": "cameras"})


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (("id,colour",), "f:1: colour: there is no such column; there are id, group"),
        (("id,id",), "f:1: id: this column stands twice"),
        (
            ("group", "cameras"),
            "f:1: neither an export of an IoT Hub in JSON lines, nor CSV with a column named id",
        ),
        (("[]",), "f:1: []: there is no such column"),
        (("",), "f:1: neither an export"),
        (("id,group", "cam-1"), "f:2: 1 cells, but the first line has 2"),
        (("id", '"cam-1'), "f:2: this is no CSV"),
        (("id,status", "", "cam-1,off"), "f:3: status: 'off' is neither enabled nor disabled"),
        (("id,authentication", "cam-1,keys"), "f:2: authentication: is one of sas, selfSigned"),
        (("id,authentication", "cam-1,selfSigned"), "f:2: authentication.x509Thumbprint: selfSigned needs"),
        (("id", "cam 1"), "f:2: id: an id is"),
        (("id", "cam-1", "cam-1"), "f:3: id: cam-1 stands in line 2 already"),
    ],
)
def test_what_is_wrong_with_csv_is_named(lines: tuple[str, ...], problem: str) -> None:
    said = wrong(*lines)
    assert any(one.startswith(problem) for one in said), said


def test_rows_of_several_lines_are_named_after_their_first() -> None:
    assert wrong("id,group", '"cam-1","a', 'b"', "cam 2,")[-1].startswith("f:4: ")


def test_what_is_no_text_is_named_with_its_line() -> None:
    [problem] = parse(b"id\ncam-1\ncam-\xff\n", "f").problems
    assert (problem.line, problem.reason) == (3, "this is no text in UTF-8")


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_a_fault(content: bytes) -> None:
    for one in (content, b"{" + content, b"id,group\n" + content):
        said = parse(one, "f")
        assert all(problem.file == "f" for problem in said.problems)


cells = st.fixed_dictionaries(
    {
        "id": st.from_regex(r"[A-Za-z0-9-]{1,20}", fullmatch=True),
        "group": st.text(st.characters(categories=["L", "N"]), max_size=10),
        "status": st.sampled_from(["", "enabled", "disabled"]),
        "primary_key": st.sampled_from(["", KEY]),
    }
)


@given(st.lists(cells, unique_by=lambda cell: cell["id"], min_size=1, max_size=5))
def test_every_row_that_is_in_order_is_read(rows: list[dict[str, str]]) -> None:
    lines = [",".join(rows[0]), *(",".join(row[name] for name in rows[0]) for row in rows)]
    said = read(*lines)
    assert said.problems == ()
    assert [entry.item.id for entry in said.entries] == [row["id"] for row in rows]
    for entry, row in zip(said.entries, rows, strict=True):
        assert entry.item.status == (row["status"] or None)
        assert entry.item.authentication is not None
        assert entry.item.authentication.read() == Authentication(primary_key=row["primary_key"] or None)
        assert entry.needs_keys != bool(row["primary_key"])
