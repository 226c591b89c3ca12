"""Moments as text that sorts and that people read: to the second, in UTC."""

import datetime as dt

_FORM = "%Y-%m-%dT%H:%M:%SZ"


def text(moment):
    """Return a moment as text, which is in UTC already."""
    return moment.strftime(_FORM)


def parsed(told):
    """Return the moment of a text."""
    return dt.datetime.strptime(told, _FORM).replace(tzinfo=dt.timezone.utc)
