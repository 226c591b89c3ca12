"""Which environments pushes have made: on the disk, beside the pushes that wait."""

import json
import time
from pathlib import Path

from holodeck import ephemeral as rules
from holodeck_io import files, lock


class Registry:
    """Which there are."""

    def __init__(self, opts):
        home = Path(opts["cachedir"], "holodeck")
        self._file, self._lock = home / "ephemeral.json", home / "locks" / "ephemeral"

    def held(self):
        """Hold the lock under which environments come and go."""
        return lock.held(self._lock)

    def all(self):
        """Return ``{name: {"template", "branch", "since"}}``."""
        try:
            return json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}

    def add(self, template, branch, now=None):
        """
        Return the name of a branch's environment; ``None`` where there are too many.

        template
            The :class:`~holodeck.model.Environment` that it is made after.
        """
        name, known = rules.name_of(template.name, branch), self.all()
        if name not in known:
            mine = [x for x in known.values() if x["template"] == template.name]
            if len(mine) >= template.ephemeral["most"]:
                return None
        facts = {"template": template.name, "branch": branch}
        self._keep({**known, name: {**facts, "since": now or time.time()}})
        return name

    def drop(self, name):
        """Forget an environment."""
        known = self.all()
        if known.pop(name, None):
            self._keep(known)

    def _keep(self, known):
        self._file.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomic(self._file, json.dumps(known))
