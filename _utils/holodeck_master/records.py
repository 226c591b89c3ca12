"""
Records of releases, bundles and environments, kept through ``salt.cache``.

With ``cache: redis`` (or etcd, Consul, MySQL) in the master's configuration
they live there.
"""

import contextlib
import datetime as dt
from pathlib import Path

import salt.cache
from salt.exceptions import SaltCacheError, SaltDeserializationError

from holodeck import generations, moments
from holodeck.tally import ABORTED, BAD, GOOD, ROLLED_BACK, RUNNING
from holodeck_io import files, lock
from holodeck_io.errors import HolodeckError
from holodeck_master import keyed

# Salt 3007's localfs lists no letter p, and no dot, that a key ends with.
_END = "~"


class Records:
    """The memory of this master."""

    def __init__(self, opts):
        self._cache = salt.cache.factory(opts)
        self._home = Path(opts["cachedir"])
        self._key = Path(opts["cachedir"], "holodeck", "key")

    def begin(self, service, environment, reserved=None, **facts):
        """
        Keep and return a new record, its number one above the last.

        reserved
            The id that :meth:`reserve` gave it; it has another one when a release has
            come before it, for the newest has the highest number.
        """
        with self._counting(service, environment) as (last, highest):
            promised = int((reserved or "0").rpartition(".")[2])
            number = promised if promised > last else highest + 1
            return self._begin(service, environment, number, facts)

    def reserve(self, service, environment):
        """Return the id that the next release of a service is to have."""
        with self._counting(service, environment) as (_, highest):
            release = _id(service, environment, highest + 1)
            place = {"service": service, "environment": environment}
            self._keep("holodeck/ids", release, {**place, "number": highest + 1})
            self._keep("holodeck/reserved", f"{environment}.{service}", highest + 1)
        return release

    def is_reserved(self, release):
        """Tell whether :meth:`reserve` gave that id."""
        return bool(self._read("holodeck/ids", release))

    @contextlib.contextmanager
    def _counting(self, service, environment):
        """Yield the highest number of a record, and of a reserved one too."""
        with lock.held(self._home / "holodeck" / "locks" / "numbers"):
            last = max(self.numbers(service, environment), default=0)
            kept = self._read("holodeck/reserved", f"{environment}.{service}")
            yield last, max(last, kept or 0)

    def _begin(self, service, environment, number, facts):
        record = {
            "id": _id(service, environment, number),
            "number": number,
            "service": service,
            "environment": environment,
            "status": RUNNING,
            "started": now(),
            "phases": [],
            **facts,
        }
        place = {name: record[name] for name in ("service", "environment", "number")}
        self._keep("holodeck/ids", record["id"], place)
        self.save(record)
        return record

    def save(self, record):
        """Keep a record as it is now."""
        bank = _bank(record["service"], record["environment"])
        self._keep(bank, _key(record["number"]), record)

    def history(self, service, environment):
        """Return the records of a service in an environment, newest first."""
        return list(self._newest_first(service, environment))

    def newest(self, service, environment):
        """Return the newest record, or ``None``."""
        return next(self._newest_first(service, environment), None)

    def _keep(self, bank, key, value):
        self._cache.store(bank, key, value)
        file = self._home / bank / f"{key}.p"
        # Salt renames its files and syncs none: a loss of power would take a record.
        if self._cache.driver == "localfs" and file.is_file():
            files.sync(file)

    def _read(self, bank, key):
        try:
            return self._cache.fetch(bank, key)
        except (SaltCacheError, SaltDeserializationError) as error:
            raise HolodeckError(
                f"Record {bank}/{key}: salt.cache ({self._cache.driver}) cannot read "
                f"it: {error} Bring it back from a backup, or remove it there; then "
                "what was before it counts."
            ) from error

    def _newest_first(self, service, environment):
        """Yield records as they are asked for: each is read from the cache."""
        for number in reversed(self.numbers(service, environment)):
            if record := self.numbered(service, environment, number):
                yield record

    def numbers(self, service, environment):
        """
        Return the numbers of a place's records, lowest first.

        Salt's localfs lists too what a process left that was killed as it wrote.
        """
        listed = self._cache.list(_bank(service, environment))
        return sorted(int(key) for key in listed if str(key).isdecimal())

    def numbered(self, service, environment, number):
        """Return the record of that number, or ``None``."""
        return self._read(_bank(service, environment), _key(number)) or None

    def unfinished(self, service, environment):
        """Return the newest record when it is of a release that has not ended."""
        newest = self.newest(service, environment)
        return newest if newest and newest["status"] == RUNNING else None

    def bury(self, service, environment, but=None):
        """Mark releases whose runner died; ``but`` is the id of one that lives."""
        for record in self.history(service, environment):
            if record["status"] == RUNNING and record["id"] != but:
                facts = {"reason": "its runner died before the end", "ended": now()}
                record.pop("waiting", None)
                self.save({**record, "status": ABORTED, **facts})

    def find(self, release):
        """Return the record with that id, or ``None``."""
        place = self._read("holodeck/ids", release)
        if not place:
            return None
        return self.numbered(place["service"], place["environment"], place["number"])

    def last_good(self, service, environment):
        """Return the newest record that is good, or ``None``."""
        found = self._newest_first(service, environment)
        return next((record for record in found if record["status"] == GOOD), None)

    def verdict(self, service, environment, deployment):
        """Return the newest record that says whether a deployment is good, or bad."""
        ended = {GOOD, BAD, ROLLED_BACK}
        for record in self._newest_first(service, environment):
            if record.get("deployment") == deployment and record["status"] in ended:
                return record
        return None

    def was_given_up(self, last):
        """
        Tell whether a later release gave up the way back to the last good one.

        It did not end good, and hosts may have its bytes in the old ones' place.
        """
        history = self.history(last["service"], last["environment"])
        return any(record.get("gave_up") == last["id"] for record in history)

    def story(self, release):
        """Return what was kept of a release for its report, or ``None``."""
        return self._read("holodeck/stories", release) or None

    def keep_story(self, release, story):
        """Remember what happened in a release, step by step."""
        self._keep("holodeck/stories", release, story)

    def forget_story(self, release):
        """Forget what was kept of a release for its report; its record stays."""
        self._cache.flush("holodeck/stories", release)

    def freeze(self, service, environment):
        """Return who froze a service in an environment, since when and why."""
        return self._read("holodeck/freezes", f"{environment}.{service}") or None

    def keep_freeze(self, service, environment, **facts):
        """Remember a freeze; without facts, that there is none."""
        self._keep("holodeck/freezes", f"{environment}.{service}", facts)

    def bundle(self, key):
        """Return the manifest of a bundle that was built, or ``None``."""
        return self._read("holodeck/bundles", key) or None

    def keep_bundle(self, key, manifest):
        """Remember a bundle by its build key."""
        self._keep("holodeck/bundles", key, manifest)

    def bundles(self):
        """Return ``{key: manifest}`` of every known bundle."""
        keys = self._cache.list("holodeck/bundles")
        return {key: found for key in keys if (found := self.bundle(key))}

    def forget_bundle(self, key):
        """Forget a bundle."""
        self._cache.flush("holodeck/bundles", key)

    def addresses(self, environment):
        """Return ``{minion id: address}`` as last seen."""
        return self.environment(environment).get("addresses", {})

    def environment(self, name):
        """
        Return what is known of an environment's hosts.

        ``addresses`` has theirs; ``made`` the profile and role of those that
        salt-cloud was told to make; ``prepared`` those that had the base states, and
        ``joining`` the services in whose rotation one is not yet.
        """
        return self._read("holodeck/environments", _named(name)) or {}

    def environments(self):
        """Return the names of the environments that ever had hosts."""
        return self._names("holodeck/environments")

    def sizes(self):
        """Return what environments were scaled to, for :mod:`holodeck.sizing`."""
        bank = "holodeck/sizes"
        return {n: self._read(bank, _named(n)) or {} for n in self._names(bank)}

    def keep_sizes(self, environment, sizes):
        """Remember what an environment was scaled to; ``{}`` for the definition's."""
        self._keep("holodeck/sizes", _named(environment), sizes)

    def generations(self):
        """Return what :meth:`generation` does of each environment that has one."""
        return {n: self.generation(n) for n in self._names("holodeck/generations")}

    def generation(self, environment):
        """
        Return an environment's generation, for :mod:`holodeck.generations`.

        The same write that makes a release good makes its hosts the current ones.
        """
        found = self._read("holodeck/generations", _named(environment)) or {}
        record = "incoming" in found and self.find(found["incoming"]["release"])
        if record and record["status"] in {GOOD, ROLLED_BACK}:
            return generations.promoted(found, record)
        return found

    def keep_generation(self, environment, generation):
        """Remember which hosts an environment has; ``{}`` for the first ones."""
        self._keep("holodeck/generations", _named(environment), generation)

    def keep_environment(self, name, **facts):
        """Remember facts about an environment's hosts."""
        self.change_environment(name, lambda _known: facts)

    def change_environment(self, name, change):
        """Remember the facts that ``change`` makes of those that are known."""
        with lock.held(self._home / "holodeck" / "locks" / "environments"):
            known = self.environment(name)
            self._keep("holodeck/environments", _named(name), known | change(known))

    def _names(self, bank):
        keys = map(str, self._cache.list(bank))
        return sorted(key.removesuffix(_END) for key in keys if key.endswith(_END))

    def config_digest(self, content):
        """
        Return the digest of a configuration.

        It is keyed: records and events show it, and a plain hash of a short
        secret could be guessed.
        """
        return keyed.digest(self._key, content)


def now():
    """Return the time as text that sorts and that people read."""
    return moments.text(dt.datetime.now(dt.timezone.utc))


def _id(service, environment, number):
    return f"{service}.{environment}.{number}"


def _named(environment):
    return f"{environment}{_END}"


def _key(number):
    return f"{number:06d}"


def _bank(service, environment):
    return f"holodeck/releases/{environment}/{service}"
