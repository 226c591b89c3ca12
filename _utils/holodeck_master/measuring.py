"""
The metrics of releases, for whoever asks, and in a file for Prometheus.

Reading every record of every place would take seconds where there are many: what they
come to is kept beside them, as :mod:`holodeck.tally` has it, and only what is new is
read. What is kept can be lost; it is made anew then.
"""

import contextlib
import json
import logging
import time
from pathlib import Path

from holodeck import metrics, tally
from holodeck_io import files, lock
from holodeck_io.errors import HolodeckError
from holodeck_master import locks

log = logging.getLogger(__name__)
# Another release writes them just now; one that hangs holds nobody up.
_WAIT_S = 2
# Another form of what is kept has another number.
_FORM = 1


def text(world):
    """Return the metrics of each service in each environment, as they are now."""
    with _alone(world):
        return _text(world)


def keep(world, *key):
    """
    Write the file that the definition names; nothing that fails here fails a release.

    key
        The service and the environment that something has changed of.
    """
    file = world.definition.metrics.get("file")
    if not file:
        return
    try:
        write(world, file, key)
    except Exception as error:
        log.warning("The metrics were not written.", exc_info=True)
        with contextlib.suppress(Exception):
            world.say("metrics", f"were not written: {error}")


def write(world, file, changed=None):
    """
    Write the metrics as they are now, whole at any moment and for everybody to read.

    changed
        The one place, a service and an environment, whose newest record says something
        else than before; where nobody says so, each place's is looked at.

    Raises :class:`~holodeck_io.errors.HolodeckError` when the file cannot be written.
    """
    with _alone(world):
        found = _text(world, changed)
        try:
            # The next release writes it anew: it need not survive a power loss.
            files.write_atomic(file, found, durable=False)
        except OSError as error:
            why = error.strerror or error
            raise HolodeckError(
                f"Metrics: {file} cannot be written: {why}; its folder has to be there."
            ) from error


@contextlib.contextmanager
def _alone(world):
    """Hold the lock of what is kept: an older text never comes after a newer one."""
    until = time.monotonic() + _WAIT_S

    def check():
        if time.monotonic() > until:
            raise HolodeckError("Metrics: another process is writing them.")

    with lock.held(_home(world) / "locks" / "metrics", check):
        yield


def _text(world, changed=None):
    """Return the text, ``changed`` as above, and keep what was read for it."""
    known, places = _known(world), []
    grown = {}
    for service, environment in _keys(world.definition):
        key, name = (service, environment), f"{environment}.{service}"
        place = {"service": service, "environment": environment}
        try:
            own = _grown(world, key, known.get(name), changed in {None, key})
            grown[name] = own
            held = not tally.is_settled(own) and locks.is_held(world.opts, *key)
            frozen = world.records.freeze(*key)
            place |= {"tally": own, "frozen": bool(frozen), "held": held}
        except Exception:  # one damaged record hides no other place
            log.warning("There are no metrics of %s in %s.", *key, exc_info=True)
            place["error"] = True
        places.append(place)
    if grown != known:
        kept = json.dumps({"form": _FORM, "places": grown})
        files.write_atomic(_file(world), kept, mode=0o600, durable=False)
    return metrics.exposition(places)


def _keys(definition):
    return sorted(
        (service, environment.name)
        for environment in definition.environments.values()
        for service in environment.services
    )


def _grown(world, key, known, look):
    """Return a place's tally of by now; ``look`` at its newest record in any case."""
    numbers = world.records.numbers(*key)
    if not known or known["number"] > max(numbers, default=0):
        # Of records that are gone, nothing is left to be told.
        known = tally.NONE
    new = [number for number in numbers if number > known["number"]]
    if not new and (look or not tally.is_settled(known)):
        new = numbers[-1:]
    for number in new:
        if record := world.records.numbered(*key, number):
            known = tally.grown(known, record)
    return known


def _known(world):
    """Return what is kept, ``{}`` where it is lost."""
    try:
        found = json.loads(_file(world).read_text(encoding="utf-8"))
        return found["places"] if found["form"] == _FORM else {}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}


def _file(world):
    return _home(world) / "metrics.json"


def _home(world):
    return Path(world.opts["cachedir"], "holodeck")
