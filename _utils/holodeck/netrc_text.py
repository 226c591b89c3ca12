"""
The netrc: logins of hosts, as text that programs read.

Other programs have other dialects of it, and one strange word makes uv pass over a
whole file. So what an administrator wrote for git or curl is read with patience, and
written again in words that every reader knows.
"""

import re

# In quotes or not; a backslash takes the next character as it is.
_WORD = re.compile(r'"((?:\\.|[^"\\\n])*)"|((?:\\.|\S)+)', re.ASCII)
_VALUES = {
    "machine": "machine", "login": "login", "user": "login", "account": "account",
    "password": "password",
}  # fmt: skip


def parsed(text):
    """
    Return the logins of a netrc in their order, each a mapping of its words.

    ``machine`` is ``None`` in the default one. Comments, macros, and words that are
    none of a netrc are left out.
    """
    found, place = [], 0
    text = text.replace("\r\n", "\n")
    while match := _WORD.search(text, place):
        word, place = _plain(match), match.end()
        if word.startswith("#"):
            place = _after(text, "\n", place)
        elif word == "macdef":
            place = _after(text, "\n\n", place)
        elif word == "default":
            found.append({"machine": None})
        elif word in _VALUES and (match := _WORD.search(text, place)):
            place = match.end()
            _take(found, _VALUES[word], _plain(match))
    return found


def written(logins):
    """Return ``logins``, as :func:`parsed` gives them, as a netrc, one a line."""
    return "".join(f"{_line(login)}\n" for login in logins)


def _take(found, word, value):
    if word == "machine":
        found.append({"machine": value})
    elif found:
        found[-1].setdefault(word, value)


def _plain(match):
    quoted, bare = match.groups()
    return re.sub(r"\\(.)", r"\1", bare if quoted is None else quoted)


def _after(text, mark, place):
    """Return where the text goes on behind the next ``mark``."""
    found = text.find(mark, place)
    return len(text) if found < 0 else found + len(mark)


def _line(login):
    words = [
        f"{word} {_quoted(login[word])}"
        for word in ("machine", "login", "account", "password")
        if login.get(word) is not None
    ]
    return " ".join(words if login["machine"] is not None else ["default", *words])


def _quoted(value):
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
