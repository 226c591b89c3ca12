"""Waiting and making once, without a cloud."""

import pytest
from keystoneauth1.exceptions import (
    ConnectFailure,
    ConnectTimeout,
    UnknownConnectionError,
)
from openstack.exceptions import HttpException
from requests.exceptions import ChunkedEncodingError

from holodeck_io.errors import HolodeckError
from holodeck_openstack import owned, sdk
from holodeck_openstack.waiting import Deadline


def _http(status):
    error = HttpException("no")
    error.status_code = status
    return error


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Looks follow each other at once."""
    monkeypatch.setattr("time.sleep", lambda _seconds: None)


def test_until_the_first_answer():
    """What is waited for is returned as soon as it is there."""
    answers = iter([None, {}, "there"])
    assert Deadline(60).until(lambda: next(answers), "x", "y") == "there"


def test_deadline_that_passes():
    """The error says what was seen last, how long it took, and what to do."""
    with pytest.raises(HolodeckError, match="it is BUILD after 0 s; give it more time"):
        Deadline(0).until(lambda: None, lambda: "it is BUILD", "give it more time")


def test_errors_in_passing_are_borne():
    """A look that fails in passing is repeated, any other ends the wait."""
    answers = iter([ConnectFailure("gone"), _http(503), 7])

    def look():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert Deadline(60).until(look, "x", "y", bear=sdk.is_passing) == 7
    with pytest.raises(StopIteration):
        Deadline(60).until(look, "x", "y", bear=sdk.is_passing)


@pytest.mark.parametrize(
    "lost",
    [
        ConnectFailure("gone"),
        ConnectTimeout("late"),
        UnknownConnectionError("cut", ChunkedEncodingError("half of it")),
        _http(504),
    ],
)
def test_once_finds_what_was_made(lost):
    """A thing whose making was not answered is looked for, and not made again."""
    asked, looks = [], iter([None, None, "made"])

    def ask():
        asked.append(1)
        raise lost

    assert owned.once(ask, lambda: next(looks)) == "made"
    assert asked == [1]


def test_once_that_made_nothing():
    """When nothing is found the first error is told."""

    def ask():
        raise ConnectFailure("gone")

    with pytest.raises(ConnectFailure, match="gone"):
        owned.once(ask, lambda: None)


def test_once_that_is_refused():
    """What the cloud refused was not made: nobody looks for it."""

    def ask():
        raise _http(403)

    with pytest.raises(HttpException):
        owned.once(ask, lambda: pytest.fail("it looked"))


def test_marks_differ():
    """No two servers have the same mark."""
    assert owned.mark() != owned.mark()
