"""What may be a target's URL, and how URLs are compared and escaped."""

import re
from urllib.parse import quote, urlsplit

PORTS = {"http": 80, "https": 443}


def problem(url):
    """Return what keeps ``url`` from naming a target, or ``None``."""
    try:
        parts = urlsplit(url)
        int(parts.port or 0)  # the property checks the number
    except (TypeError, ValueError, AttributeError) as error:
        return f"is not a URL ({error}); write http://HOST:PORT."
    if parts.scheme not in PORTS or not parts.hostname:
        return "is not an http:// or https:// URL; write http://HOST:PORT."
    if parts.username is not None:
        return "contains a user name; leave it out and let the suite log in."
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        return "has a path; name the host only, the suite's requests have paths."
    return None


def host_and_port(authority, scheme):
    """Return ``authority`` as (lower-case name, port), so that two compare."""
    parts = urlsplit(f"//{authority}")
    return (parts.hostname or "", parts.port or PORTS.get(scheme, 80))


def escape(text):
    """Percent-encode what a URL may not contain and leave escapes as they are."""
    text = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", text)
    return quote(text, safe="/%:@!$&'()*+,;=~-._?")
