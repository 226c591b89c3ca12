"""What is asked for again when a cloud stumbles, and what is not."""

import pytest
import requests
from keystoneauth1 import exceptions

from holodeck_openstack import sdk


def _asked(url, method):
    def request(url, method, **kwargs):
        return kwargs

    return sdk._patient(request)(url, method, connect_retries=9)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_what_may_be_repeated_is(method):
    """A list, a deletion and a change are the same when they arrive twice."""
    asked = _asked("http://x/servers/1", method)
    assert asked["connect_retries"] > 0
    assert 503 in asked["retriable_status_codes"]


def test_what_makes_a_thing_is_asked_for_once():
    """A request to make a server may have made it when its answer is lost."""
    asked = _asked("http://x/servers", "POST")
    assert asked["connect_retries"] == 0
    assert asked["retriable_status_codes"] == [429]


def _cut():
    return exceptions.UnknownConnectionError(
        "cut", requests.exceptions.ChunkedEncodingError("half of it")
    )


def _answers(monkeypatch, method, *answers):
    """Return what becomes of a request whose answers are these, and what was waited."""
    pauses, left = [], iter(answers)
    monkeypatch.setattr("time.sleep", pauses.append)

    def request(url, method, **kwargs):
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return sdk._patient(request)("http://x/servers", method), pauses


def test_an_answer_that_was_cut_is_asked_for_again(monkeypatch):
    """Keystoneauth itself repeats no request whose answer began."""
    assert _answers(monkeypatch, "GET", _cut(), _cut(), 7) == (7, [0.5, 1])
    with pytest.raises(exceptions.UnknownConnectionError):
        _answers(monkeypatch, "DELETE", *[_cut()] * 5)


def test_what_makes_a_thing_is_not_asked_for_again(monkeypatch):
    """When the answer of a POST is cut, the thing is there already."""
    with pytest.raises(exceptions.UnknownConnectionError):
        _answers(monkeypatch, "POST", _cut(), 7)


@pytest.mark.parametrize(
    "error",
    [exceptions.ConnectFailure("x"), exceptions.ConnectTimeout("x"), _cut()],
    ids=lambda error: type(error).__name__,
)
def test_an_answer_that_did_not_come(error):
    """A connection that broke, and an answer that was late or cut, are lost."""
    assert sdk.is_lost(error)
    assert sdk.is_passing(error)


def test_an_address_that_is_none():
    """What no request could be made of will not go well later."""
    wrong = requests.exceptions.InvalidURL("http://[")
    assert not sdk.is_lost(exceptions.UnknownConnectionError("x", wrong))


def test_a_login_is_repeated():
    """Two tokens do no harm."""
    assert _asked("http://x/v3/auth/tokens", "POST")["connect_retries"] > 0
