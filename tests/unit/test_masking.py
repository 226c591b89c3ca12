"""What must not leave a host, taken out of what does."""

import json

import pytest

from holodeck import masking

_TEXT = "login failed for postgres://u:p%40ss%2Fword@db/x"


@pytest.mark.parametrize(
    ("text", "values", "masked"),
    [
        ("token hunter22 twice hunter22", ["hunter22"], "token ****** twice ******"),
        (_TEXT, ["p@ss/word"], "login failed for postgres://u:******@db/x"),
        ("?q=a+b%26cd&x", ["a b&cd"], "?q=******&x"),
        ("path a%20b/cdef", ["a b/cdef"], "path ******"),
        # The longer one goes first: nothing of it is left beside the shorter.
        ("secret-longer secret", ["secret", "secret-longer"], "****** ******"),
        ("line\n  secret", ["  secret  "], "line\n  ******"),
        # base64 of "ann:hunter22x", of "a:hunter22?>" for URLs, of the value alone.
        ("Basic YW5uOmh1bnRlcjIyeA==", ["hunter22"], "Basic YW5uOm******eA=="),
        ("YTpodW50ZXIyMj8-", ["hunter22?>"], "YTp******"),
        ("aHVudGVyMjI=", ["hunter22"], "******I="),
        ('<a b="x&lt;y&amp;z!"/>', ["x<y&z!"], '<a b="******"/>'),
        ("?a=p%40ss%2fword", ["p@ss/word"], "?a=******"),
        ('{"a": "p\\/asswd"}', ["p/asswd"], '{"a": "******"}'),
        ("pin 12345678", [12345678], "pin ******"),
        # Half of it, at the beginning or at the end, gives it away.
        ("… abcdefghij", ["abcdefghijklmnopqr"], "… ******"),
        ("ijklmnopqr …", ["abcdefghijklmnopqr"], "****** …"),
        (
            "see https://accounts/x",
            ["https://accounts.example.org/login"],
            "see https://accounts/x",
        ),
        ("no more", [], "no more"),
        ("", ["secret"], ""),
    ],
)
def test_mask_takes_each_value_out(text, values, masked):
    """A value is gone as it is, and as URLs write it."""
    assert masking.mask(text, values) == masked


@pytest.mark.parametrize("value", ["", "   ", "a", "8000", "hello", " true "])
def test_mask_leaves_short_words(value):
    """What is too short for a secret does not eat words of the journal."""
    text = "a server says hello on port 8000, true or not"
    assert masking.mask(text, [value]) == text


def test_mask_of_results_keeps_the_plugins_own_words():
    """A setting that is a word of the plugin's hides no test's end."""
    event = {
        "event": "test",
        "id": "t",
        "outcome": "passed",
        "why": "it passed 7654321",
    }
    masked = masking.Mask(["passed", "7654321"]).lines(json.dumps(event) + "\n[[[1\n")
    first, second = masked.splitlines()
    assert json.loads(first) == {**event, "why": "it ****** ******"}
    assert second == "[[[1"
    deep = "[" * 100_000
    assert masking.Mask(["secret"]).lines(f"{deep}secret") == f"{deep}******"


def test_mask_is_the_same_in_any_order():
    """The result does not depend on the order of settings."""
    values = ["secret", "secret-longer", "my-secret"]
    text = "my-secret-longer secret-longer my-secret"
    assert masking.mask(text, values) == masking.mask(text, values[::-1])
