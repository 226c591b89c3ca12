"""What `demo/up` and `demo/down` do once Python is there."""

import json
import subprocess
import sys
import time

from lab import CLONE, Lab
from repository import Repository

DEMO = Lab("demo", CLONE / ".demo", "hd-demo0", "10.77.0", 24505)
_STEPS = """
A Salt master runs in .demo; salt-cloud booted the hosts below as systemd-nspawn
containers; one of them built the commit once, three run it behind HAProxy, and one
tested each of them before it got traffic.

{hosts}

  {url}   (try: curl -s {url}/healthz)

Next:
  . demo/activate
  salt-run holodeck.status
  salt-run holodeck.release guestbook commit=next env=demo     # a second commit
  salt-run holodeck.release guestbook commit=broken env=demo   # goes back by itself
  salt-run holodeck.history guestbook env=demo
  salt-run holodeck.rollback guestbook env=demo
  salt-run holodeck.release kinto env=demo                     # a public package
  cd .demo/guestbook       # edit, commit, git push origin main: that releases too
  demo/down

A service of your own: docs/first.rst. What the demo has for it:
  {git}      each repository below {folder}
  {api}     webhooks: what is pushed there is released
"""


def up():
    """Bring the demo up, or reuse what stands."""
    clock = _Clock()
    DEMO.configure()
    DEMO.cloud().action(fun="build_image", provider="local")
    clock.lap("image")
    DEMO.start()
    DEMO.start_api()
    repository = Repository(DEMO.home)
    repository.create()
    repository.release_pushes(DEMO.api, DEMO.home / "push-secret")
    clock.lap("master")
    commit = _released() or repository.commit("main")
    words = ["guestbook", f"commit={commit}", "env=demo"]
    print(f"salt-run holodeck.release {' '.join(words)}", flush=True)
    done = subprocess.run(
        [DEMO.home / "bin/salt-run", "holodeck.release", *words], check=False
    )
    clock.lap("release")
    if done.returncode:
        sys.exit(f"The release failed; see {DEMO.home}/master.log, then demo/up again.")
    _explain()
    print(clock)


def _released():
    """Return the commit that stands already, so that `demo/up` again keeps it."""
    done = DEMO.run(
        "salt-run", "--out=json", "holodeck.history", "guestbook", "env=demo",
        check=False,
    )  # fmt: skip
    try:
        rows = json.loads(done.stdout)["history"]
    except (ValueError, KeyError):
        return None
    return next((row["commit"] for row in rows if row["status"] == "good"), None)


def down():
    """Remove everything."""
    DEMO.stop()
    print("The demo is gone.")


def _explain():
    nodes = DEMO.nodes()
    url = f"http://{nodes['demo-balancer1']['private_ips'][0]}"
    (DEMO.home / "environment").write_text(
        f'export PATH="{DEMO.home}/bin:$PATH"\nexport HOLODECK_URL="{url}"\n'
        f'export HOLODECK_GIT="{DEMO.git}"\n'
    )
    rows = (f"  {name:<16}{_address(node)}" for name, node in sorted(nodes.items()))
    places = {"url": url, "git": DEMO.git, "api": DEMO.api, "folder": ".demo/git"}
    print(_STEPS.format(hosts="\n".join(rows), **places))


def _address(node):
    """Return a host's addresses; one without a network of its own has the machine's."""
    own = [each for each in node["private_ips"] if each != DEMO.gateway]
    return ", ".join(own) or "the network of this machine"


class _Clock:
    """Seconds of each step, for the last line."""

    def __init__(self):
        self._last = time.monotonic()
        self._laps = []

    def lap(self, name):
        now = time.monotonic()
        self._laps.append((name, now - self._last))
        self._last = now

    def __str__(self):
        total = sum(seconds for _, seconds in self._laps)
        parts = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self._laps)
        return f"{parts}; {total:.0f} s in all."


if __name__ == "__main__":
    {"up": up, "down": down}[sys.argv[1]]()
