"""TOML with lines: found where they are, and not where they only seem to be."""

import pytest

from fencepost.config.toml_tree import parse_toml
from fencepost.model.errors import OperatorError

MANNERS = '''\
# [http] is not here
port = 1
"quoted key" = 2
'literal.key' = 3
text = """
[decoy]
decoy = 1 \\"""
"""
more = \'\'\'
[decoy]\'\'\'
list = [ # [decoy]
  "]", "decoy = [",
  1,
]
[ http ]  # a table
port = 8443
  host="::1" # host = decoy
dotted.below = "a = b"
[log.deep]
level = { name = "info", odd = "#" }
[["array of"."tables"]]
level = 1
'''


def test_every_key_and_table_has_its_line() -> None:
    assert parse_toml(MANNERS, "f.toml").lines == {
        "port": 2,
        '"quoted key"': 3,
        '"literal.key"': 4,
        "text": 5,
        "more": 9,
        "list": 11,
        "http": 15,
        "http.port": 16,
        "http.host": 17,
        "http.dotted.below": 18,
        "log.deep": 19,
        "log.deep.level": 20,
        '"array of".tables': 21,
        '"array of".tables.level': 22,
    }


def test_a_key_of_an_inline_table_has_the_line_of_the_table() -> None:
    assert parse_toml("\nhttp = {port = 1}\n", "f.toml").line_of("http.port") == 2


def test_line_ends_of_other_systems_count_the_same() -> None:
    tree = parse_toml('a = """\r\nx"""\r\n[http]\r\nport = 1\r\n', "f.toml")
    assert tree.lines == {"a": 1, "http": 3, "http.port": 4}


def test_written_values_are_kept_for_complaints() -> None:
    tree = parse_toml('[a]\nb = true\nc = 1_000\nd = "x"\ne = 2026-01-01\nf = [1]\n', "f.toml")
    assert tree.texts == {"a.b": "true", "a.c": "1000", "a.d": "x", "a.e": "2026-01-01"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nb = \n", 2),
        ("a = 1\na = 2\n", 2),
        ("[a]\n\n[a]\n", 3),
        ("a = 1\nb = [1,\n", 3),
        ("a = '''\n\n", 3),
        ("a = 1\n\x00", 2),
    ],
)
def test_what_is_no_toml_has_its_line(text: str, line: int) -> None:
    with pytest.raises(OperatorError) as caught:
        parse_toml(text, "f.toml")
    (problem,) = caught.value.problems
    assert (problem.path, problem.file, problem.line) == ("", "f.toml", line)
    assert problem.reason.startswith("not TOML: ")
    assert "(at " not in problem.reason


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "9" * 100_000])
def test_what_python_cannot_hold_is_an_operators_fault(text: str) -> None:
    with pytest.raises(OperatorError, match="not TOML"):
        parse_toml(text, "f.toml")
