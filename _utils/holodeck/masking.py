"""What must not leave a host, taken out of what does."""

import base64
import json
import urllib.parse

_MASK = "******"
# Shorter values are no secrets, and masking them would eat words.
_LEAST = 6
# So much of the beginning or the end of a long value gives it away.
_PIECE = 16


def mask(text, values):
    """
    Return ``text`` with each value replaced, as it is and as others write it.

    Others are URLs, JSON, Python's ``repr``, shells, and base64, in the midst of what
    else is encoded too. A value of several lines,
    a key in PEM, is replaced line by line too, and of a long one that something has
    shortened the beginning and the end. The longest go first: one value may be part of
    another.
    """
    whole = {value.strip() for value in values}
    parts = {line.strip() for value in whole for line in value.splitlines()}
    forms = {form for value in whole | parts for form in _forms(value)}
    ordered = sorted(forms, key=lambda form: (-len(form), form))
    for form in ordered:
        text = text.replace(form, _MASK)
    for form in ordered:
        if len(form) > 2 * _PIECE:
            text = _without_ends(text, form)
    return text


def mask_data(data, values):
    """Return a JSON document with each text in it masked, keys too."""
    if isinstance(data, str):
        return mask(data, values)
    if isinstance(data, list):
        return [mask_data(each, values) for each in data]
    if isinstance(data, dict):
        return {mask(k, values): mask_data(v, values) for k, v in data.items()}
    return data


def mask_lines(text, values):
    """Return lines of JSON masked, each decoded; what is no JSON is masked as it is."""
    values = list(values)
    return "".join(
        _masked_line(line, values) for line in text.splitlines(keepends=True)
    )


def _masked_line(line, values):
    try:
        return json.dumps(mask_data(json.loads(line), values)) + "\n"
    except ValueError:
        return mask(line, values)


def _forms(value):
    if len(value) < _LEAST:
        return set()
    return {
        value,
        urllib.parse.quote(value),
        urllib.parse.quote(value, safe=""),
        urllib.parse.quote_plus(value),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        value.replace("'", "'\"'\"'"),
        *_encoded(value.encode()),
    }


def _encoded(raw):
    """Return how base64 writes bytes, wherever in a group of three they begin."""
    for before in range(3):
        whole = base64.b64encode(bytes(before) + raw).decode()
        # What a character shares with the bytes before or after is not theirs.
        begin, end = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        yield whole[begin:end]
        yield whole[begin:end].replace("+", "-").replace("/", "_")


def _without_ends(text, value):
    """Replace the beginning of a value, as far as it goes, and its end likewise."""
    text = _without_beginning(text, value)
    return _without_beginning(text[::-1], value[::-1])[::-1]


def _without_beginning(text, value):
    begin = value[:_PIECE]
    at = text.find(begin)
    while at >= 0:
        end = at + len(begin)
        while (
            end < len(text) and end - at < len(value) and text[end] == value[end - at]
        ):
            end += 1
        text = text[:at] + _MASK + text[end:]
        at = text.find(begin, at + len(_MASK))
    return text
