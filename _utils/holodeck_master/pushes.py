"""
Pushes that wait to be released, and what came of each.

For each service and environment the newest one waits alone, on the disk of the machine
that runs releases: a burst is one release, and nothing grows. Who works it off holds a
lock; what it had taken when it died waits still.
"""

import contextlib
import fcntl
import json
import logging
import time
from pathlib import Path

from holodeck_io import files

log = logging.getLogger(__name__)
#: What became of a push; all but the first two are an end.
WAITING, RUNNING, REFUSED, UNCHANGED = "waiting", "running", "refused", "unchanged"
SUPERSEDED = "superseded"

_FOLLOWERS_MAX = 20
_LINES_MAX = 300
_TOLD_MAX = 200
# As long as a process may need to start, and to say that it works.
_WAKING_S = 30


class Desk:
    """The pushes of this master."""

    def __init__(self, opts):
        self._home = Path(opts["cachedir"], "holodeck", "pushes")

    @property
    def told(self):
        """The folder of what each pusher may read, by a name that only he knows."""
        return self._home / "told"

    def lay(self, key, push, reserve):
        """
        Let a push wait, as one with those that wait already; return its facts.

        key
            The service's and the environment's name.
        push
            ``{"branch", "commit", "befores", "forced", "pusher", "followers"}``.
        reserve
            Returns a release's id, for the first one that waits.
        """
        self._make()
        facts = self._merged(_read(self._slot(key)), push)
        facts["release"] = facts.get("release") or reserve(*key)
        files.write_atomic(self._slot(key), json.dumps(facts), mode=0o600)
        return facts

    def should_wake(self, key):
        """Tell whether nobody works, nor was woken just now; then somebody is."""
        woken = self._file(key, "woken")
        with contextlib.suppress(FileNotFoundError):
            if time.time() - woken.stat().st_mtime < _WAKING_S:
                return False
        with self._turn(key) as mine:
            if mine:
                woken.touch()
        return mine

    @contextlib.contextmanager
    def turn(self, key):
        """Yield whether it is this one's turn to work; only one's at a time."""
        with self._turn(key) as mine:
            if mine:
                # Whoever pushes from now on sees the lock.
                self._file(key, "woken").unlink(missing_ok=True)
            yield mine

    @contextlib.contextmanager
    def _turn(self, key):
        self._make()
        with open(self._file(key, "lock"), "a", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def _make(self):
        self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.told.mkdir(exist_ok=True)

    def waits(self, key):
        """Tell whether a push waits that nobody has taken."""
        return self._slot(key).exists()

    def left(self, key):
        """Tell whether a push waits, or was taken by somebody who died."""
        kinds = ("waiting", "taking", "taken")
        return any(self._file(key, kind).exists() for kind in kinds)

    def take(self, key):
        """Return the push to release next, or ``None``; it waits until it is done."""
        taking, taken = self._file(key, "taking"), self._file(key, "taken")
        push = self._joined(taking, taken)  # of somebody who died right here
        with contextlib.suppress(FileNotFoundError):
            self._slot(key).replace(taking)
            push = self._joined(taking, taken)
        return push

    def _joined(self, taking, taken):
        push = _read(taken)
        if newer := _read(taking):
            push = self._merged(push, newer)
            files.write_atomic(taken, json.dumps(push), mode=0o600)
        taking.unlink(missing_ok=True)
        return push

    def done(self, key):
        """Forget the push that was taken."""
        self._file(key, "taken").unlink(missing_ok=True)

    def seen(self, service, digest):
        """Tell whether a body was taken in before."""
        return digest in (_read(self._seen(service)) or [])

    def see(self, service, digest):
        """Remember a body that was taken in."""
        known = _read(self._seen(service)) or []
        files.write_atomic(
            self._seen(service), json.dumps([*known, digest][-_TOLD_MAX:])
        )

    def tell(self, followers, **facts):
        """
        Let those who follow a push read how it stands; ``line`` is one more.

        It never fails: a release does not depend on who is told of it.
        """
        line = facts.pop("line", None)
        for name in followers:
            file = self.told / f"{name}.json"
            known = _read(file) or {
                "state": WAITING, "release": None, "lines": [], "dropped": 0,
            }  # fmt: skip
            if line is not None:
                lines = [*known["lines"], line]
                known["dropped"] += len(lines[:-_LINES_MAX])
                known["lines"] = lines[-_LINES_MAX:]
            try:
                self._make()
                text = json.dumps({**known, **facts})
                files.write_atomic(file, text, durable=False)
            except OSError as error:
                log.warning("A pusher was not told: %s", error)

    def prune(self):
        """Remove what was told of old pushes."""
        found = []
        for file in self.told.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                found.append((file.stat().st_mtime, file))
        for _, file in sorted(found)[:-_TOLD_MAX]:
            file.unlink(missing_ok=True)

    def _merged(self, older, push):
        """Return a push with what those before it, which it stands for, had."""
        if not older:
            return dict(push)
        followers = list(dict.fromkeys([*older["followers"], *push["followers"]]))
        gone = followers[:-_FOLLOWERS_MAX]
        line = f"{older['release']}: later pushes took this one's place"
        self.tell(gone, state=SUPERSEDED, line=line)
        return {
            **push,
            "forced": push["forced"] or older["forced"],
            "befores": [*older["befores"], *push["befores"]][-_FOLLOWERS_MAX:],
            "release": older["release"],
            "followers": followers[-_FOLLOWERS_MAX:],
        }

    def _seen(self, service):
        return self._home / f"{service}.seen"

    def _slot(self, key):
        return self._file(key, "waiting")

    def _file(self, key, kind):
        service, environment = key
        return self._home / f"{environment}.{service}.{kind}"


def _read(file):
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
