"""What happened in a release, step by step, for its report."""

import logging
import time

from holodeck_http import results

log = logging.getLogger(__name__)


class Story:
    """
    The steps of each host, and what the suites proved.

    It is kept beside the record, which stays small: records are read often.

    told
        ``{"steps": [[epoch, phase, [hosts], words]], "rows", "tests", "cut": {tester:
        [path, …]}}``, the second and third as :func:`holodeck_http.verdict.joined` has
        them, and what else was measured.
    """

    def __init__(self, records, release=None):
        self._records = records
        self.told = {"steps": [], "rows": {}, "tests": {}, "cut": {}}
        if known := release and records.story(release):
            try:
                tests = known["tests"]
                rows = {target: results.row(tests, target) for target in tests["rows"]}
                self.told = {**self.told, **known, "tests": rows}
            except (KeyError, TypeError, ValueError):
                log.warning("The story of %s cannot be read.", release)

    def note(self, phase, hosts, words):
        """Remember that hosts have come so far."""
        self.told["steps"].append([round(time.time(), 2), phase, list(hosts), words])

    def tested(self, proof):
        """Remember what :func:`holodeck_http.verdict.joined` found."""
        for what in ("rows", "tests"):
            self.told[what] |= proof[what]
        for tester, path in proof["cut"].items():
            self.told["cut"].setdefault(tester, []).append(path)

    def add(self, **facts):
        """Remember what else was measured."""
        self.told |= facts

    def save(self, release):
        """Keep it under the release's id; a story that is lost fails no release."""
        try:
            # In the form that names each test once, however many hosts there are.
            tests = results.matrix(self.told["tests"])
            self._records.keep_story(release, {**self.told, "tests": tests})
        except Exception:
            log.exception("The story of %s was not kept.", release)
