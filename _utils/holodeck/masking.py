"""What must not leave a host, taken out of what does."""

import base64
import html
import json
import re
import urllib.parse

_MASK = "******"
# Shorter values are no secrets, and masking them would eat words.
_LEAST = 6
# So much of the beginning or the end of a value gives it away: half of it, and of a
# long one no more than this.
_PIECE_LEAST, _PIECE_MOST = 8, 16
# Everybody's words: where nobody's password is in it, its beginning is no secret.
_PLAIN_URL = re.compile(r"[a-z][a-z+.-]*://[^@]*")
_ESCAPE = re.compile("%[0-9A-F]{2}")
# Of a line of results, what people and services said; the rest is the plugin's own.
_SAID = ("why", "curl", "id", "kind")


def mask(text, values):
    """Return ``text`` without the values, as :class:`Mask` takes them out."""
    return Mask(values).text(text)


class Mask:
    """
    Replaces values in texts: as they are, and as others write them.

    Others are URLs, JSON, Python's ``repr``, shells, XML, and base64, in the midst of
    what else is encoded too. A value of several lines, a key in PEM, is replaced line
    by line too, and of one that something has shortened the beginning and the end.
    """

    def __init__(self, values):
        whole = {str(value).strip() for value in values}
        parts = {line.strip() for value in whole for line in value.splitlines()}
        self._forms = {}
        for value in whole | parts:
            is_plain = bool(_PLAIN_URL.fullmatch(value))
            for form in _forms(value):
                self._forms[form] = 0 if is_plain else _piece(len(form))

    def text(self, text):
        """Return a text without the values."""
        spans = sorted(span for form in self._forms for span in self._found(text, form))
        parts, end = [], 0
        for begin, after in spans:
            if begin >= end:
                parts += [text[end:begin], _MASK]
            end = max(end, after)
        return "".join([*parts, text[end:]])

    def data(self, data):
        """Return a JSON document with each text in it masked; keys stay."""
        if isinstance(data, str):
            return self.text(data)
        if isinstance(data, list):
            return [self.data(each) for each in data]
        if isinstance(data, dict):
            return {key: self.data(value) for key, value in data.items()}
        return data

    def lines(self, text):
        """
        Return a result file with what people and services said in it masked.

        What is no line of results is masked as it is.
        """
        if not self._forms:
            return text
        return "".join(map(self._line, text.splitlines(keepends=True)))

    def _line(self, line):
        try:
            event = json.loads(line)
            said = {key: self.data(event[key]) for key in _SAID if key in event}
        except (ValueError, TypeError, RecursionError):
            return self.text(line)
        return json.dumps({**event, **said}) + "\n"

    def _found(self, text, form):
        """Yield where a form stands in a text, and its beginning or its end."""
        for at in _places(text, form):
            yield at, at + len(form)
        piece = self._forms[form]
        if not piece:
            return
        for begin in _places(text, form[:piece]):
            end = begin + piece
            while text[end : end + 1] == form[end - begin : end - begin + 1] != "":
                end += 1
            yield begin, end
        for at in _places(text, form[-piece:]):
            begin, left = at, len(form) - piece
            while left and begin and text[begin - 1] == form[left - 1]:
                begin, left = begin - 1, left - 1
            yield begin, at + piece


def _places(text, form):
    at = text.find(form)
    while at >= 0:
        yield at
        at = text.find(form, at + 1)


def _piece(length):
    """Return how much of a form's beginning gives it away, 0 for a short one."""
    return min(_PIECE_MOST, length // 2) if length >= 2 * _PIECE_LEAST else 0


def _forms(value):
    if len(value) < _LEAST:
        return set()
    raw = value.encode(errors="surrogatepass")
    quoted = {
        urllib.parse.quote(raw), urllib.parse.quote(raw, safe=""),
        urllib.parse.quote_plus(raw),
    }  # fmt: skip
    written = json.dumps(value)[1:-1]
    return {
        value,
        *quoted,
        *(_ESCAPE.sub(lambda found: found[0].lower(), each) for each in quoted),
        written,
        written.replace("/", "\\/"),
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        value.replace("'", "'\"'\"'"),
        html.escape(value),
        html.escape(value, quote=False),
        *_encoded(raw),
    }


def _encoded(raw):
    """Return how base64 writes bytes, wherever in a group of three they begin."""
    for before in range(3):
        whole = base64.b64encode(bytes(before) + raw).decode()
        # What a character shares with the bytes before or after is not theirs.
        begin, end = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        yield whole[begin:end]
        yield whole[begin:end].replace("+", "-").replace("/", "_")
