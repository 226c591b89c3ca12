"""What states say."""

import pytest

from holodeck import outcome


@pytest.mark.parametrize(
    ("said", "result", "changes"),
    [
        (outcome.unchanged("x", "Fine."), True, {}),
        (outcome.planned("x", {"a": 1}, "Fine."), None, {"a": 1}),
        (outcome.changed("x", {"a": 1}, "Fine."), True, {"a": 1}),
        (outcome.failed("x", "Fine."), False, {}),
        (outcome.failed("x", "Fine.", {"a": 1}), False, {"a": 1}),
    ],
)
def test_outcome_has_salts_four_keys(said, result, changes):
    """Each outcome is what Salt takes: name, result, changes, comment."""
    assert said == {
        "name": "x", "result": result, "changes": changes, "comment": "Fine.",
    }  # fmt: skip


def test_failures_of_nothing_is_a_failure():
    """When no state ran, that is what went wrong."""
    assert outcome.failures([]) == ["no states ran"]


def test_failures_of_something_else_shows_it():
    """A mapping that is no run of states is shown as it is."""
    assert outcome.failures({"ok": False}) == ["{'ok': False}"]
