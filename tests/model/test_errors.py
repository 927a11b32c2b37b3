"""Errors say who must act, and where."""

import pytest

from fencepost.model.errors import DeviceError, FencepostError, OperatorError, Problem


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("rules[0].max", "too small"), "rules[0].max: too small"),
        (Problem("", "not YAML"), "not YAML"),
        (Problem("a", "b", "g.yaml"), "g.yaml: a: b"),
        (Problem("a", "b", "g.yaml", 7), "g.yaml:7: a: b"),
        (Problem("", "b", "g.yaml", 7), "g.yaml:7: b"),
    ],
)
def test_a_problem_reads_as_file_line_path_and_reason(problem: Problem, text: str) -> None:
    """What is not known is left out."""
    assert str(problem) == text


def test_an_operator_error_tells_all_problems_at_once() -> None:
    """One a line."""
    error = OperatorError(Problem(str(number), "wrong") for number in range(3))
    assert str(error) == "0: wrong\n1: wrong\n2: wrong"
    assert len(error.problems) == 3


def test_a_device_error_tells_the_place_and_the_reason() -> None:
    """The whole message has no place."""
    assert str(DeviceError("not a list", "Events")) == "Events: not a list"
    assert str(DeviceError("not JSON")) == "not JSON"
    assert (DeviceError("a", "b").reason, DeviceError("a", "b").where) == ("a", "b")


def test_both_are_ours() -> None:
    """And neither is the other."""
    assert issubclass(DeviceError, FencepostError)
    assert issubclass(OperatorError, FencepostError)
    assert not issubclass(DeviceError, OperatorError)
