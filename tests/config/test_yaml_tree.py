"""YAML as data with lines and written texts; no text is too much for it."""

import contextlib
import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fencepost.config.text_file import MAXIMUM_BYTES
from fencepost.config.yaml_tree import join, parse_tree
from fencepost.model.errors import OperatorError, Problem


def fault(text: str) -> Problem:
    with pytest.raises(OperatorError) as caught:
        parse_tree(text, "f.yaml")
    return caught.value.problems[-1]


def test_each_path_has_its_line() -> None:
    tree = parse_tree("groups:\n  cameras:\n    rules:\n      - type: A\n        window: PT5M\n", "f")
    assert tree.line_of("groups.cameras.rules[0].window") == 5
    assert tree.line_of("groups.cameras.rules") == 3
    assert tree.line_of("") == 1


def test_a_path_that_the_file_has_not_takes_the_line_around_it() -> None:
    tree = parse_tree("a:\n  b: 1\n", "f")
    assert tree.line_of("a.b.c[3].d") == 2
    assert tree.line_of("z") == 1


def test_a_key_with_odd_characters_stands_in_quotes_in_its_path() -> None:
    tree = parse_tree('"plant.7":\n  x: 1\n', "f")
    assert join("", "plant.7") == '"plant.7"'
    assert tree.line_of('"plant.7".x') == 2


@pytest.mark.parametrize("written", ["0123", "on", "no", "22:30", "2026-01-01", "1e3", "0x1F", "=", "1_0.5"])
def test_a_scalar_keeps_the_text_that_was_written(written: str) -> None:
    assert parse_tree(f"- {written}", "f").texts["[0]"] == written


@pytest.mark.parametrize("written", ["0123", "22:30", "0x1F", "22:30.5", ".inf", "1e999", "9" * 5000])
def test_a_number_that_people_do_not_read_as_one_is_text(written: str) -> None:
    assert parse_tree(f"- {written}", "f").data == [written]


def test_plain_values_have_their_types() -> None:
    text = "- 5\n- -5\n- 1_000\n- 1.5\n- true\n- no\n- ~\n- 'x'\n- '5'\n- !!str 5\n"
    assert parse_tree(text, "f").data == [5, -5, 1000, 1.5, True, False, None, "x", "5", "5"]


@pytest.mark.parametrize("key", ["on", "0123", "1", "null", "2026-01-01"])
def test_a_key_is_the_text_that_was_written(key: str) -> None:
    assert parse_tree(f"{key}: x", "f").data == {key: "x"}


def test_a_duplicate_key_is_a_fault_with_both_lines_and_the_rest_is_read() -> None:
    tree = parse_tree("a: 1\nb: 2\na: 3\n", "f")
    assert tree.data == {"a": 1, "b": 2}
    assert tree.problems == (Problem("a", "the key 'a' stands twice, first in line 1", "f", 3),)


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        pytest.param("a: [1, 2", "not YAML", 1, id="syntax"),
        pytest.param("a:\n\tb: 1", "indent with blanks", 2, id="tab"),
        pytest.param("a: *nowhere", "undefined alias", 1, id="alias to nothing"),
        pytest.param("a: 1\n---\nb: 2", "a second document", 2, id="two documents"),
        pytest.param("a: &x [*x]", "an alias to itself", 1, id="recursive anchor"),
        pytest.param("a: 1\nb: \x00", "U+0000", 2, id="control character"),
        pytest.param("[" * 100_000, "nested deeper", 1, id="deep flow"),
        pytest.param("- " * 5_000, "nested deeper", 1, id="deep block"),
        pytest.param("? " * 5_000, "nested deeper", 1, id="deep keys"),
        pytest.param("a: " + "x" * MAXIMUM_BYTES, "larger than", 0, id="large"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_with_its_line(text: str, reason: str, line: int) -> None:
    problem = fault(text)
    assert reason in problem.reason
    assert (problem.file, problem.line) == ("f.yaml", line)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("? [a]\n: 1", "a key is a word"),
        ("{a: 1}: 2", "a key is a word"),
        ('"": 1', "a key is missing"),
        ("a: !!python/object:os.system {}", "the tag !!python/object:os.system is not read"),
        ("a: !secret x", "the tag !secret is not read"),
        ("a: !!binary eA==", "the tag !!binary is not read"),
        ("a: {<<: [1]}", "<< takes a mapping"),
        ("a: &a {x: 1}\nb: &b {<<: *a}\nc: {<<: *b}", "cannot hold a <<"),
    ],
)
def test_a_fault_that_leaves_the_rest_readable_is_collected(text: str, reason: str) -> None:
    assert reason in parse_tree(text, "f").problems[0].reason


def test_aliases_and_merges_share_values() -> None:
    tree = parse_tree("a: &a\n  x: 1\n  y: 2\nb: *a\nc:\n  <<: *a\n  y: 3\n", "f")
    assert tree.data == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 2}, "c": {"y": 3, "x": 1}}
    assert not tree.problems


def test_a_bomb_of_aliases_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    began = time.perf_counter()
    assert "expands to more" in fault("\n".join(lines)).reason
    assert time.perf_counter() - began < 10


def test_a_bomb_of_merges_is_refused() -> None:
    wide = "a: &a {" + ", ".join(f"k{i}: 1" for i in range(3_000)) + "}\n"
    assert "expands to more" in fault(wide + "b: {<<: [" + ", ".join(["*a"] * 3_000) + "]}").reason


@given(st.text(alphabet=st.sampled_from(list("ab01:-[]{},&*!?|>'\"#<~% \n\t.=@`\\")), max_size=60))
@settings(max_examples=500, deadline=None)
def test_no_text_raises_anything_but_the_declared_error(text: str) -> None:
    with contextlib.suppress(OperatorError):
        parse_tree(text, "f")


@given(st.dictionaries(st.text(max_size=5), st.lists(st.text(max_size=5), max_size=3), max_size=3))
def test_what_yaml_writes_is_read_back(data: dict[str, list[str]]) -> None:
    tree = parse_tree(yaml.safe_dump(data, allow_unicode=False), "f")
    assert tree.problems or tree.data == data
