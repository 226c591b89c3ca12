"""What happened in a release, step by step, for its report."""

import logging
import time

log = logging.getLogger(__name__)


class Story:
    """
    The steps of each host, and what the suites proved.

    It is kept beside the record, which stays small: records are read often.
    """

    def __init__(self, records, release=None):
        self._records = records
        known = records.story(release) if release else None
        self._told = known or {"steps": [], "rows": {}, "tests": {}}

    def note(self, phase, hosts, words):
        """Remember that hosts have come so far."""
        self._told["steps"].append([round(time.time(), 2), phase, list(hosts), words])

    def tested(self, proof):
        """Remember what :func:`holodeck_http.verdict.joined` found."""
        self._told["rows"] |= proof["rows"]
        self._told["tests"] |= proof["tests"]

    def add(self, **facts):
        """Remember what else was measured."""
        self._told |= facts

    def save(self, release):
        """Keep it under the release's id; a story that is lost fails no release."""
        try:
            self._records.keep_story(release, self._told)
        except Exception:
            log.exception("The story of %s was not kept.", release)
