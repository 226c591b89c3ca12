#!py
"""
Webhooks: from salt-api's event to the runner ``holodeck.push``.

This is Python, not a template: what strangers send is never rendered. It is taken in
here, and what the runner gets, and Salt's job cache with it, are two names.
"""

import sys


def run():
    """Return whom to wake; nothing where a webhook is forged, or tells of no push."""
    # Salt has them there only while it loads a module.
    sys.path[:0] = __opts__["utils_dirs"]
    try:
        from holodeck_master import receiving
    finally:
        del sys.path[: len(__opts__["utils_dirs"])]
    return receiving.of(__opts__).reaction(tag, data)
