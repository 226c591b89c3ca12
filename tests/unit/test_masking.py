"""What must not leave a host, taken out of what does."""

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


def test_mask_is_the_same_in_any_order():
    """The result does not depend on the order of settings."""
    values = ["secret", "secret-longer", "my-secret"]
    text = "my-secret-longer secret-longer my-secret"
    assert masking.mask(text, values) == masking.mask(text, values[::-1])
