"""The least that a release by push could take, each part measured alone."""

import statistics
import time

import salt.config

from holodeck import names, rollout
from holodeck_master import building, environments
from holodeck_master.plan import plan_for
from holodeck_master.world import World
from lab import CLONE

#: Steps of a release that ask hosts once: hosts, resolve, stage, and four for each host
#: (out of rotation, switch, suite, back in rotation). The build's own is in its floor.
HOSTS = 3
TRIPS = 3 + 4 * HOSTS
_PINGS = 9
_SUITES = 3
# By hand, as whoever is on the tester would: bash measures it.
_BY_HAND = """
LIBRARY=$(ls -d /run/holodeck/library/* | head -1)
cd /tmp && : >by-hand.ini
export PYTHONPATH=$LIBRARY PYTHONDONTWRITEBYTECODE=1 HOLODECK_COMMIT=$2
TIMEFORMAT=%R
time $1/bin/python -m pytest -p holodeck_http.plugin -p no:cacheprovider -q \\
    -c by-hand.ini --rootdir=$1/suite --http-target=$3 --http-allow-writes $1/suite >&2
"""


class Floors:
    """A world of the product's own, for calls that are timed."""

    def __init__(self, laboratory):
        self._laboratory = laboratory
        opts = salt.config.master_config(str(laboratory.lab.conf / "master"))
        self._world = World.open(opts, lambda *_: None, CLONE)
        self._plan = plan_for(self._world, "guestbook", "demo")
        self._statuses = environments.ensure(self._world, self._plan.environment)

    def build_s(self, commit):
        """Return the seconds in which a commit that is new is built and fetched."""
        last = self._world.records.last_good(*self._plan.key)
        begin = time.monotonic()
        building.build(self._world, self._plan, commit, self._statuses, last)
        return time.monotonic() - begin

    def trip_s(self):
        """Return the seconds of one call to all web hosts that does nothing."""
        hosts = self._plan.environment.members("web")
        return statistics.median(
            self._timed(hosts, "test.ping")[0] for _ in range(_PINGS)
        )

    def suite_s(self):
        """Return the seconds of pytest with the suite against one host, by hand."""
        [tester] = self._plan.environment.members("tester")
        host = self._plan.environment.members("web")[0]
        address = self._world.records.addresses("demo")[host]
        target = rollout.host_target(host, address, self._plan.service.port)
        commit = self._world.records.last_good(*self._plan.key)["commit"]
        root = names.bundle_root(names.suite_bundle("guestbook"), commit)
        words = ["bash", "-ec", _BY_HAND, "bash", root, commit, target["url"]]
        return statistics.median(
            float(self._laboratory.inside(tester, *words).stderr.split()[-1])
            for _ in range(_SUITES)
        )

    def _timed(self, hosts, function, **arguments):
        begin = time.monotonic()
        found = self._world.fleet.call(hosts, function, **arguments)
        return time.monotonic() - begin, found
