"""What breaks, done to real hosts, and mended again."""

import os
import signal
import time

from faults import clocks
from faults.plan import WEB

_UNIT = "holodeck-guestbook.web.service"
_PATIENCE_S = 90
# What a minion's clock says from then on, in seconds beside the truth.
_SKEWS = dict(zip(WEB, (3600, -3600, 86400), strict=True))


class Nemesis:
    """What one case breaks, and how it is mended."""

    def __init__(self, laboratory, process):
        self._laboratory, self._process = laboratory, process
        self._mends = []
        self.refused = True

    def do(self, fault):
        """Break it."""
        time.sleep(fault.delay_s)
        getattr(self, f"_{fault.deed}")(fault.target)

    def mend(self):
        """Bring everything back that was taken away, and wait for it."""
        hosts = set()
        for verb, target in self._mends:
            if verb == "free":
                self._inside(target, "rm", "-f", "/fill")
            elif verb == "right":
                self._inside(target, "sh", "-c", clocks.RIGHT)
            else:
                self._act(verb, target)
            hosts.add(target)
        for host in hosts:
            self._wait_for(host)

    def _service(self, host):
        self._inside(host, "systemctl", "kill", "--signal=KILL", _UNIT)

    def _minion(self, host):
        self._inside(host, "systemctl", "kill", "--signal=KILL", "salt-minion")

    def _power(self, host):
        self._break("kill", "start", host)

    def _cut(self, host):
        self._break("cut", "mend", host)

    def _freeze(self, host):
        self._break("freeze", "thaw", host)

    def _clock(self, host):
        self._mends.append(("right", host))
        self._inside(host, "sh", "-c", clocks.wrong(_SKEWS[host]))

    def _disk(self, host):
        self._mends.append(("free", host))
        self._inside(host, "sh", "-c", "cat /dev/zero > /fill || true")

    def _master(self, _):
        lab = self._laboratory.lab
        pid = int((lab.home / "master.pid").read_text().split()[0])
        os.killpg(pid, signal.SIGKILL)
        # What systemd would do.
        time.sleep(1)
        lab.start()

    def _runner(self, _):
        self._process.kill()

    def _second(self, _):
        code, data = self._laboratory.runner(
            "release", "guestbook", "commit=main", "env=demo"
        )
        said = data.get("error", "") if isinstance(data, dict) else str(data)
        over = self._process.poll() is not None
        self.refused = over or (code == 1 and "is being released" in said)

    def _break(self, verb, remedy, host):
        if (remedy, host) not in self._mends:
            self._act(verb, host)
            self._mends.append((remedy, host))

    def _act(self, verb, host):
        self._laboratory.lab.cloud().action(fun=verb, names=[host])

    def _inside(self, host, *argv):
        try:
            self._laboratory.inside(host, *argv)
        except Exception:  # noqa: BLE001 -- it may be off by now
            return

    def _wait_for(self, host):
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            if self._laboratory.salt(host, "test.ping").get(host) is True:
                return
        raise TimeoutError(f"{host} did not come back.")
