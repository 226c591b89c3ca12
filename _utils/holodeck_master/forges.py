"""Forges told what becomes of a commit that was pushed."""

import logging
import urllib.error
import urllib.request

from holodeck import commit_status
from holodeck_io.errors import HolodeckError
from holodeck_master import pillar

log = logging.getLogger(__name__)
# A release waits for no forge, and fails for none.
_PATIENCE_S = 10


class _Unmoved(urllib.request.HTTPRedirectHandler):
    """Follows nobody elsewhere: the token would go along."""

    def redirect_request(self, *_):
        return None


_OPENER = urllib.request.build_opener(_Unmoved)


def tell(opts, service, environment, commit, state, words):
    """
    Set a commit's status at its forge, where the definition says how.

    state
        One of those of :mod:`holodeck.commit_status`.
    words
        A line for people.

    Returns why it did not work, or ``None``.
    """
    status = service.webhook.get("status")
    if not status:
        return None
    try:
        known = {**status, "token": pillar.revealed(opts, status["token"])}
        url, headers, body = commit_status.request(
            service.webhook["scheme"], known, service.repository, commit, state,
            f"holodeck/{environment}", words,
        )  # fmt: skip
        # The definition's rule is http or https.
        request = urllib.request.Request(url, body.encode(), headers)  # noqa: S310
        with _OPENER.open(request, timeout=_PATIENCE_S):
            return None
    except (HolodeckError, urllib.error.HTTPError) as error:
        why = str(error)
    except Exception as error:  # noqa: BLE001
        # Its text may have a header in it, and so the token.
        why = type(error).__name__
    log.warning("The forge of %s was not told: %s", service.name, why)
    return why
