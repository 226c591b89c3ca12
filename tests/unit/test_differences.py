"""What a plan says of the way from one release to the next."""

from holodeck import differences


def test_flat_takes_tables_apart():
    """Each setting, file and process has a path; anything else is whole."""
    content = {"port": 1, "settings": {"A": 1, "B": None}, "recipe": [1, 2]}
    assert differences.flat(content) == {
        "port": 1, "settings/A": 1, "settings/B": None, "recipe": [1, 2],
    }  # fmt: skip


def test_changes_names_what_is_new_changed_and_removed():
    """What is the same is not named, and no digest is shown."""
    found = differences.changes(
        {"a": "1", "b": "2", "c": "3"}, {"b": "2", "c": "4", "d": "5"}
    )
    assert found == {"a": "removed", "c": "changed", "d": "new"}


def test_packages_shows_both_versions():
    """A package that comes or goes has a version on one side alone."""
    old = {"flask": "3.0", "six": "1", "same": "7"}
    new = {"flask": "3.1", "attrs": "2", "same": "7"}
    assert differences.packages(old, new) == {
        "attrs": [None, "2"], "flask": ["3.0", "3.1"], "six": ["1", None],
    }  # fmt: skip
