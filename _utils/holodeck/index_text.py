"""
Private package indexes, as data: what uv is told, and what must not be shown.

URLs hold no credentials: those go to uv by netrc, so that no argv, no cache and no
error has a URL with a password in it.
"""

import re
import urllib.parse

from holodeck import masking, netrc_text

_KEYS = {"url", "username", "password", "default"}
# Up to the last @: a password may have one.
_USERINFO = re.compile(r"(?<=://)[^/\s]+@")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class InvalidIndexError(ValueError):
    """An entry of the builder's pillar that is no package index."""


def checked(entries):
    """
    Return ``entries`` when each is an index, and no two contradict each other.

    Raises :class:`InvalidIndexError` with every fault; none shows a password.
    """
    if not isinstance(entries, (list, tuple)):
        raise InvalidIndexError("Package indexes: should be a list of mappings.")
    faults = [
        f"Package index {number}: {fault}"
        for number, entry in enumerate(entries, 1)
        for fault in _faults(entry)
    ]
    if not faults:
        faults = [f"Package indexes: {fault}" for fault in _contradictions(entries)]
    if faults:
        raise InvalidIndexError("\n".join(faults))
    return list(entries)


def variables(entries, known):
    """
    Return uv's variables for ``entries``, without credentials.

    known
        The variables that an administrator has set: extra indexes stay behind
        ours, and the default stays where none of ours replaces it.
    """
    extra = [entry["url"] for entry in entries if not entry.get("default")]
    default = [entry["url"] for entry in entries if entry.get("default")]
    found = {"UV_INDEX": " ".join([*extra, *known.get("UV_INDEX", "").split()])}
    if default:
        # The older name of the same setting.
        found |= {"UV_DEFAULT_INDEX": default[0], "UV_INDEX_URL": None}
    return {name: value for name, value in found.items() if value != ""}


def netrc(entries, known=""):
    """
    Return the netrc that gives uv the credentials of ``entries``.

    known
        A netrc that would be read without ours; it counts for other hosts.
    """
    ours = {
        host(entry): {
            "machine": host(entry),
            "login": entry["username"],
            "password": entry["password"],
        }
        for entry in entries
        if "password" in entry
    }
    others = [
        login
        for login in netrc_text.parsed(known)
        if (login["machine"] or "").lower() not in ours
    ]
    return netrc_text.written([*(ours[name] for name in sorted(ours)), *others])


def host(entry):
    """Return the host of an index: netrc knows no port and no path."""
    return urllib.parse.urlsplit(entry["url"]).hostname


def masked(text, entries=()):
    """Return ``text`` without passwords, and without credentials in any URL."""
    passwords = [entry["password"] for entry in entries if entry.get("password")]
    return _USERINFO.sub("******@", masking.mask(text, passwords))


def refused(text, entries):
    """Return the entry whose credentials an error of uv is about, if any."""
    if not re.search(r"\b(401 Unauthorized|403 Forbidden)\b", text):
        return None
    for line in text.splitlines():
        urls = re.findall(r"https?://[^\s)`]+", line)
        hosts = {urllib.parse.urlsplit(url).hostname for url in urls}
        if "401" in line or "403" in line:
            for entry in entries:
                if host(entry) in hosts:
                    return entry
    return None


def _faults(entry):
    if not isinstance(entry, dict):
        return [f"should be a mapping, not {type(entry).__name__}."]
    faults = []
    if unknown := sorted(map(str, entry.keys() - _KEYS)):
        faults.append(f"has {unknown[0]}; known are {', '.join(sorted(_KEYS))}.")
    faults += _url_faults(entry.get("url"))
    if ("username" in entry) != ("password" in entry):
        faults.append("has one of username and password; give both or none.")
    for key in ("username", "password"):
        value = entry.get(key, "x")
        if not isinstance(value, str) or not value or _CONTROL.search(value):
            faults.append(f"{key} should be text in quotes, on one line.")
    if not isinstance(entry.get("default", False), bool):
        faults.append("default should be true or false.")
    return faults


def _url_faults(url):
    try:
        known = re.fullmatch(r"https?://[^\s/]+(/\S*)?", url) and host({"url": url})
    except (TypeError, ValueError):
        known = None
    if not known:
        return ["url should be like https://index.example.org/simple."]
    if _USERINFO.search(url):
        return ["url holds a credential; give it as username and password."]
    return []


def _contradictions(entries):
    faults, users = [], {}
    for entry in entries:
        user = entry.get("username"), entry.get("password")
        if user != (None, None) and users.setdefault(host(entry), user) != user:
            faults.append(f"{host(entry)} has two users; uv takes one for each host.")
    if sum(bool(entry.get("default")) for entry in entries) > 1:
        faults.append("more than one is the default; leave it to one.")
    return faults
