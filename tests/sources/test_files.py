"""Messages are taken from whatever a person has: files of four shapes, folders, gzip, the standard input."""

import gzip
import json
import os
from base64 import b64encode
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from fencepost.sources.files import Record, Unreadable, device_of, read, total_size

MESSAGE = {"AgentId": "2a0b6f8e-6a0f-4c8b-9f44-0b7a51c9e001", "Events": [{"Name": "Login"}]}
LINE = json.dumps(MESSAGE).encode()
FLATBUFFERS = b"\x10\x00\x00\x00\x0c\x00\x0a\x00\x22{\n}" * 3


def save(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def records(*paths: Path, **options: Any) -> list[Record]:
    found = list(read(paths, **options))
    assert all(isinstance(one, Record) for one in found), found
    return [one for one in found if isinstance(one, Record)]


def reasons(*paths: Path, **options: Any) -> list[tuple[str, str]]:
    return [(one.origin, one.reason) for one in read(paths, **options) if isinstance(one, Unreadable)]


def bodies(*paths: Path, **options: Any) -> list[bytes]:
    return [record.body for record in records(*paths, **options)]


def test_a_file_is_one_message_of_the_device_it_is_named_after(tmp_path: Path) -> None:
    path = save(tmp_path / "cam-0001.json", LINE)
    assert records(path) == [Record("cam-0001", LINE, None, f"{path}:1")]


def test_a_message_over_many_lines_keeps_its_exact_bytes(tmp_path: Path) -> None:
    text = json.dumps(MESSAGE, indent=1).encode()
    path = save(tmp_path / "cam-0001.json", b"\n\n" + text + b"\r\n")
    assert records(path) == [Record("cam-0001", text, None, str(path))]


def test_a_message_over_many_lines_may_hold_complete_objects_on_lines_of_their_own(tmp_path: Path) -> None:
    text = b'{"Events": [\n{"Name": "Login"}\n]}'
    assert bodies(save(tmp_path / "a.json", text)) == [text]


def test_each_json_line_keeps_its_exact_bytes_and_says_its_number(tmp_path: Path) -> None:
    odd = b'{ "Events" : [1.0e0, "\\u0041"] }'
    path = save(tmp_path / "fleet.ndjson", LINE + b"\r\n\n  " + odd + b"  \n" + LINE)
    assert [(one.body, one.origin) for one in records(path)] == [
        (LINE, f"{path}:1"),
        (odd, f"{path}:3"),
        (LINE, f"{path}:4"),
    ]


def test_a_damaged_line_loses_no_neighbour(tmp_path: Path) -> None:
    path = save(tmp_path / "fleet.ndjson", b"\n".join([LINE, LINE[:20], b"{\xff", LINE]))
    found = list(read([path]))
    assert [type(one) for one in found] == [Record, Unreadable, Unreadable, Record]
    assert reasons(path)[0] == (f"{path}:2", "not JSON: Input data was truncated")


@pytest.mark.parametrize("damaged", [LINE[:30], b"[1, 2", b"{" * 100_000, LINE + b","])
def test_a_damaged_first_line_loses_no_neighbour(tmp_path: Path, damaged: bytes) -> None:
    path = save(tmp_path / "fleet.ndjson", damaged + b"\n" + LINE + b"\n" + LINE)
    found = list(read([path]))
    assert [type(one) for one in found] == [Unreadable, Record, Record]
    assert isinstance(found[0], Unreadable)
    assert found[0].origin == f"{path}:1"


def test_the_elements_of_an_array_are_messages(tmp_path: Path) -> None:
    for number, text in enumerate([b'[{"a" : 1}, 3,"x"]', b'[\n{"a" : 1},\n3,\n"x"\n]\n']):
        path = save(tmp_path / f"{number}.json", text)
        assert [(one.body, one.origin) for one in records(path)] == [
            (b'{"a" : 1}', f"{path}[0]"),
            (b"3", f"{path}[1]"),
            (b'"x"', f"{path}[2]"),
        ]


def test_an_array_on_one_line_among_others_is_a_json_line(tmp_path: Path) -> None:
    path = save(tmp_path / "fleet.ndjson", b"[1]\n" + LINE)
    assert bodies(path) == [b"[1]", LINE]


@pytest.mark.parametrize("value", [b"3", b'""', b"null", b"{}"])
def test_what_is_json_but_no_message_is_left_to_the_decoder(tmp_path: Path, value: bytes) -> None:
    assert bodies(save(tmp_path / "a.json", value)) == [value]


@pytest.mark.parametrize(
    "opening", [b"\x10\x00\x00\x00", b"{\x01\x00\x00", b"\n\x00\x00\x00", b" [\x00\x00", b"\x90"]
)
def test_what_cannot_be_json_is_one_flatbuffers_message(tmp_path: Path, opening: bytes) -> None:
    path = save(tmp_path / "plc-0001.bin", opening + FLATBUFFERS)
    assert records(path) == [Record("plc-0001", opening + FLATBUFFERS, None, str(path))]


def test_gzip_is_known_by_its_bytes_and_its_suffix_is_no_part_of_the_device(tmp_path: Path) -> None:
    packed = gzip.compress(LINE + b"\n" + LINE)
    for name in ("cam-0001.json.gz", "cam-0001.json", "cam-0001.NDJSON.GZ"):
        path = save(tmp_path / name, packed)
        assert [(one.device_id, one.body) for one in records(path)] == [("cam-0001", LINE)] * 2


def test_gzip_members_are_read_one_after_the_other(tmp_path: Path) -> None:
    packed = gzip.compress(LINE + b"\n") + bytes(512) + gzip.compress(LINE) + bytes(70_000)
    assert bodies(save(tmp_path / "a.json.gz", packed)) == [LINE, LINE]


def test_a_truncated_gzip_file_gives_its_whole_lines_and_a_reason(tmp_path: Path) -> None:
    lines = b"".join(b'{"n": %d, "noise": "%s"}\n' % (n, os.urandom(40).hex().encode()) for n in range(5000))
    path = save(tmp_path / "a.json.gz", gzip.compress(lines)[:-5000])
    found = list(read([path]))
    whole = [one.body for one in found if isinstance(one, Record)]
    assert len(whole) > 4000
    assert whole == lines.split(b"\n")[: len(whole)]
    assert reasons(path) == [(f"{path}:{len(whole) + 1}", "the gzip data end early: the file is truncated")]


@pytest.mark.parametrize(
    "content", [gzip.compress(LINE * 9, mtime=0)[:40], b"\x1f\x8b\x08junk that is not packed"]
)
def test_damaged_gzip_is_unreadable(tmp_path: Path, content: bytes) -> None:
    ((origin, reason),) = reasons(path := save(tmp_path / "a.json.gz", content))
    assert origin.startswith(str(path))
    assert "gzip" in reason


def test_a_decompression_bomb_takes_no_memory_in_proportion(tmp_path: Path) -> None:
    bomb = gzip.compress(b'{"a":"' + b"x" * (200 << 20) + b'"}', compresslevel=1)
    path = save(tmp_path / "a.json.gz", gzip.compress(LINE + b"\n") + bomb + gzip.compress(b"\n" + LINE))
    assert reasons(path) == [(f"{path}:2", "the line has more than 353,621 bytes")]
    assert len(list(read([path]))) == 3


def test_a_line_beyond_the_limit_is_one_unreadable_and_reading_goes_on(tmp_path: Path) -> None:
    path = save(tmp_path / "a.ndjson", LINE + b"\n" + b"9" * 500_000 + b"\n" + LINE)
    assert [type(one) for one in read([path])] == [Record, Unreadable, Record]


@pytest.mark.parametrize(
    "content",
    [
        b"%s",
        b'{"body": %s}',
        b"[%s]",
        b'{"body":\n%s}',
        b"\x00%s",
    ],
)
def test_the_limit_is_that_of_the_message_not_of_its_wrapper(tmp_path: Path, content: bytes) -> None:
    fits = content % (b'"' + b"x" * (997 - content.startswith(b"\x00")) + b'"')
    beyond = content % (b'"' + b"x" * 999 + b'"')
    assert len(records(save(tmp_path / "fits.json", fits), limit=1000)) == 1
    ((_, reason),) = reasons(save(tmp_path / "beyond.json", beyond), limit=1000)
    assert reason == "the message has more than 1,000 bytes"


def test_a_wrapped_flatbuffers_message_of_the_full_size_is_read(tmp_path: Path) -> None:
    body = bytes(262_144)
    line = json.dumps({"device_id": "plc-0001", "body_base64": b64encode(body).decode()}).encode()
    assert bodies(save(tmp_path / "a.ndjson", line + b"\n" + line)) == [body, body]


def test_one_value_beyond_64_megabytes_is_unreadable_with_advice(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", b"[" + b"\n" * (65 << 20) + b"]")
    ((_, reason),) = reasons(path)
    assert reason == "more than 64 MB in one JSON value: write it as JSON lines, one message a line"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b" \n\n ", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (gzip.compress(b"", mtime=0), "the file is empty"),
        (b"[]", "the array is empty"),
        (b" [\n]\n", "the array is empty"),
        (b'{"a": ', "not JSON: Input data was truncated"),
        (b"[{}, tru]", "not JSON: JSON is malformed: invalid character (byte 6)"),
        ("{}".encode("utf-16"), "UTF-16 text: save the file as UTF-8"),
    ],
)
def test_a_file_without_a_message_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    path = save(tmp_path / "a.json", content)
    assert reasons(path) == [(str(path), reason)]
    assert len(list(read([path]))) == 1


def test_deep_nesting_is_unreadable_and_loses_no_neighbour(tmp_path: Path) -> None:
    deep = b'{"body": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    path = save(tmp_path / "a.ndjson", LINE + b"\n" + deep + b"\n" + LINE)
    assert reasons(path) == [(f"{path}:2", "not JSON that can be read: nested too deeply")]


def test_a_byte_order_mark_is_no_part_of_the_message(tmp_path: Path) -> None:
    assert bodies(save(tmp_path / "a.json", b"\xef\xbb\xbf" + LINE)) == [LINE]


def test_what_cannot_be_opened_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    missing, present = tmp_path / "missing.json", save(tmp_path / "a.json", LINE)
    assert reasons(missing, present) == [(str(missing), "cannot be opened: No such file or directory")]
    assert [one.origin for one in read([Path("a\0b"), present]) if isinstance(one, Record)] == [
        f"{present}:1"
    ]


def test_a_folder_is_read_in_the_order_of_names_without_hidden_and_foreign_files(tmp_path: Path) -> None:
    for name in (
        "b.json",
        "a/z.ndjson",
        "a/.hidden.json",
        ".git/c.json",
        "c.bin",
        "d.json.gz",
        "README.md",
        "g.yaml",
    ):
        save(tmp_path / name, LINE)
    found = [
        Path(one.origin.removesuffix(":1")).relative_to(tmp_path).as_posix() for one in records(tmp_path)
    ]
    assert found == ["a/z.ndjson", "b.json", "c.bin", "d.json.gz"]


def test_a_loop_of_links_and_a_pipe_end_nothing(tmp_path: Path) -> None:
    save(tmp_path / "a" / "a.json", LINE)
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "c.json").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "d.json")
    assert len([one for one in read([tmp_path]) if isinstance(one, Record)]) == 1
    assert reasons(tmp_path) == [(str(tmp_path / "c.json"), "cannot be opened: No such file or directory")]


def test_a_folder_without_messages_says_so(tmp_path: Path) -> None:
    save(tmp_path / "README.md", b"# nothing")
    assert reasons(tmp_path) == [
        (str(tmp_path), "no messages in this folder (.json, .jsonl, .ndjson, .bin, or .gz)")
    ]


def test_the_standard_input_is_read_line_by_line(tmp_path: Path) -> None:
    found = records(Path("-"), standard_input=BytesIO(LINE + b"\n" + LINE))
    assert [(one.device_id, one.origin) for one in found] == [("stdin", "stdin:1"), ("stdin", "stdin:2")]


def test_a_line_of_a_pipe_is_seen_before_the_next_one_is_sent() -> None:
    receiver, sender = os.pipe()
    with os.fdopen(receiver, "rb") as pipe, os.fdopen(sender, "wb", buffering=0) as end:
        found = read([Path("-")], standard_input=pipe)
        for number in range(3):
            end.write(b'{"n": %d}\n' % number)
            record = next(found)
            assert isinstance(record, Record)
            assert record.body == b'{"n": %d}' % number


def test_a_wrapper_names_device_and_time_and_its_body_keeps_its_exact_bytes(tmp_path: Path) -> None:
    line = b'{"body" : { "Events" : [ ] }, "received_at": "2026-11-24T05:51:10+02:00", "device_id": "cam-\\u0030001"}'
    path = save(tmp_path / "fleet.ndjson", line)
    moment = datetime(2026, 11, 24, 3, 51, 10, tzinfo=UTC)
    assert records(path) == [Record("cam-0001", b'{ "Events" : [ ] }', moment, f"{path}:1")]


def test_wrappers_may_be_elements_of_an_array_or_fill_a_file(tmp_path: Path) -> None:
    wrapper = {"device_id": "plc-0001", "body_base64": b64encode(FLATBUFFERS).decode()}
    for text in (json.dumps([wrapper]), json.dumps(wrapper, indent=1)):
        (record,) = records(save(tmp_path / "a.json", text.encode()))
        assert (record.device_id, record.body) == ("plc-0001", FLATBUFFERS)


def test_a_security_message_with_unknown_members_is_no_wrapper(tmp_path: Path) -> None:
    line = b'{"Events": [], "device_id": 7}'
    assert bodies(save(tmp_path / "a.json", line)) == [line]


@pytest.mark.parametrize(
    ("wrapper", "reason"),
    [
        (b'{"device_id": "a"}', "body: the wrapper has none"),
        (b'{"received_at": "2026-11-24T03:51:10Z"}', "body: the wrapper has none"),
        (b'{"body": {}, "body_base64": ""}', "a wrapper has a body or a body_base64, not both"),
        (b'{"device_id": 7, "body": {}}', "device_id: Expected `str`, got `int`"),
        (b'{"device_id": "", "body": {}}', "device_id: empty"),
        (b'{"received_at": 7, "body": {}}', "received_at: Expected `str`, got `int`"),
        (b'{"received_at": "soon", "body": {}}', "received_at: 'soon' is not an RFC 3339 time"),
        (
            b'{"received_at": "0001-01-01T00:00:00+10:00", "body": {}}',
            "received_at: '0001-01-01T00:00:00+10:00' is not an RFC 3339 time",
        ),
        (b'{"body_base64": 7}', "body_base64: Expected `str`, got `int`"),
        (b'{"body_base64": "AA=A"}', "body_base64: not base64: Discontinuous padding not allowed"),
    ],
)
def test_a_wrong_wrapper_says_which_member_and_loses_no_neighbour(
    tmp_path: Path, wrapper: bytes, reason: str
) -> None:
    path = save(tmp_path / "a.ndjson", LINE + b"\n" + wrapper + b"\n" + LINE)
    assert reasons(path) == [(f"{path}:2", reason)]
    assert len(list(read([path]))) == 3


def test_the_wrapper_goes_before_the_option_and_the_option_before_the_file_name(tmp_path: Path) -> None:
    path = save(tmp_path / "a.ndjson", b'{"device_id": "b", "body": 1}\n' + LINE)

    def named(**options: Any) -> list[str]:
        return [one.device_id for one in records(path, **options)]

    assert named() == ["b", "a"]
    assert named(device_id="c") == ["b", "c"]
    assert named(device_id="c", device_id_from="option") == ["c", "c"]
    assert named(device_id="c", device_id_from="file name") == ["a", "a"]
    assert reasons(path, device_id="c", device_id_from="wrapper") == [
        (f"{path}:2", "no device id: the wrapper gives none")
    ]


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("cam-0001.json", "cam-0001"),
        ("py-dev.01.json.gz", "py-dev.01"),
        ("py-dev.01", "py-dev.01"),
        ("gw.BIN", "gw"),
        (".json", ".json"),
        ("a.gz", "a"),
    ],
)
def test_a_file_name_without_suffixes_is_a_device(name: str, device: str) -> None:
    assert device_of(Path(name)) == device


def test_progress_adds_up_to_the_total_size(tmp_path: Path) -> None:
    save(tmp_path / "a.json.gz", gzip.compress(LINE * 50))
    save(tmp_path / "b" / "b.bin", FLATBUFFERS)
    counted: list[int] = []
    list(read([tmp_path], on_bytes=counted.append))
    assert sum(counted) == total_size([tmp_path, Path("-"), tmp_path / "missing"]) > len(FLATBUFFERS)
