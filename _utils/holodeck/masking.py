"""What must not leave a host, taken out of what does."""

import urllib.parse

_MASK = "******"
# Shorter values are no secrets, and masking them would eat words.
_LEAST = 6


def mask(text, values):
    """
    Return ``text`` with each value replaced, as it is and as URLs write it.

    The longest go first: one value may be part of another.
    """
    forms = {
        form
        for value in map(str.strip, values)
        for form in (value, urllib.parse.quote(value), urllib.parse.quote_plus(value))
        if len(value) >= _LEAST
    }
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, _MASK)
    return text
