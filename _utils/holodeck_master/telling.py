"""What a release tells others than who runs it: events on the master's bus, metrics."""

import logging

import salt.utils.event

from holodeck import tally
from holodeck_master import measuring

log = logging.getLogger(__name__)
#: What the tags begin with; service, environment, and one of the moments follow.
TAG = "holodeck/release"
BEGIN, END = "begin", "end"
_FACTS = ("id", "kind", "commit", "status", "user", "seconds", "phases")


def announcer(opts):
    """Return what fires an event on the master's bus, by tag; it never fails."""
    bus = salt.utils.event.get_event("master", opts=opts, listen=False)

    def announce(tag, facts):
        try:
            # Salt puts its stamp into what it gets.
            if not bus.fire_event(dict(facts), tag):
                log.warning("The event %s was not fired: the master is silent.", tag)
        except Exception:  # a master that is just being restarted
            log.warning("The event %s was not fired.", tag, exc_info=True)

    return announce


def tell(world, record, moment):
    """Tell that a release has begun, or has ended; nothing of it fails a release."""
    key = (record["service"], record["environment"])
    try:
        found = tally.facts(record)
        facts = {name: found[name] for name in _FACTS}
        world.announce("/".join([TAG, *key, moment]), facts)
    except Exception:
        log.exception("The %s of %s was not told.", moment, record.get("id"))
    measuring.keep(world, *key)
