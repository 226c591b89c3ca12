"""How forges sign webhooks, each in its way. Pure, and in constant time."""

import base64
import hmac
import re

#: The least characters, or bytes, of a secret.
SECRET_MIN = 16
#: What a secret begins with that Salt's sdb has.
SDB = "sdb://"

_SPACE = re.compile(r"[\s\x00-\x1f\x7f]")
_HEX = re.compile(r"[0-9a-f]{64}")


def is_secret(scheme, secret):
    """
    Tell whether a secret is one that nobody guesses, without spaces and new lines.

    What is in sdb is not known before it was asked.
    """
    if _SPACE.search(secret):
        return False
    if secret.startswith(SDB):
        return True
    key = _key(secret) if scheme == "gitlab" else secret
    return len(key) >= SECRET_MIN


def sign(secret, stamp, body):
    """Return the value of ``X-Holodeck-Signature``."""
    return f"v1={_mac(secret.encode(), f'{stamp}.{body}')}"


def receipt(secret, body):
    """Return the name under which the sender of a webhook finds what came of it."""
    return _mac(secret.encode(), f"receipt.{body}")[:40]


def _mac(key, text):
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), "sha256").hexdigest()


def _same(given, wanted):
    """Compare in constant time; also what is no ASCII."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def hexed(header, prefix=""):
    """Return the check of a header that is a prefix and 64 hex digits."""

    def is_signed(secret, headers, body):
        given = headers.get(header, "")
        hexed = given.removeprefix(prefix)
        # An empty signature is what some send where they have no secret.
        whole = given.startswith(prefix) and bool(_HEX.fullmatch(hexed))
        return _same(hexed, _mac(secret.encode(), body)) and whole

    return is_signed


def own(secret, headers, body):
    """Tell whether :func:`sign` made the signature: the pack's own scheme."""
    stamp = headers.get("x-holodeck-timestamp", "")
    return _same(headers.get("x-holodeck-signature", ""), sign(secret, stamp, body))


def token(secret, headers, _body):
    """Tell whether GitLab's token is the secret itself; it signs nothing."""
    return _same(headers.get("x-gitlab-token", ""), secret)


def standard(secret, headers, body):
    """
    Tell whether a signing token signed it, as GitLab does since 19.0.

    The scheme is that of standardwebhooks.com.
    """
    key = _key(secret)
    if not key:
        return False  # anybody could sign with none
    ident = headers.get("webhook-id", "")
    signed = f"{ident}.{headers.get('webhook-timestamp', '')}.{body}"
    raw = hmac.new(key, signed.encode("utf-8", "surrogatepass"), "sha256").digest()
    wanted = f"v1,{base64.b64encode(raw).decode()}"
    given = headers.get("webhook-signature", "").split(" ")[:10]
    return any(_same(each, wanted) for each in given)


def _key(secret):
    """Return the bytes of a signing token, none where it is not one."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        return b""
