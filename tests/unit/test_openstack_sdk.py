"""What is asked for again when a cloud stumbles, and what is not."""

import pytest

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


def test_a_login_is_repeated():
    """Two tokens do no harm."""
    assert _asked("http://x/v3/auth/tokens", "POST")["connect_retries"] > 0
