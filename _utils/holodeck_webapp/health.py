"""Whether the processes of a deployment run, are its own, and answer."""

import http.client
import time

from holodeck import masking, names
from holodeck_io import systemd
from holodeck_io.errors import HolodeckError
from holodeck_webapp import deployments

_POLL_S = 0.1
_REQUEST_S = 5
# More restarts than this within one wait is a crash loop: no need to wait on.
_RESTARTS = 2
_OK = range(200, 300)


def wait(summary, timeout_s):
    """Return when the deployment is healthy; raise with the reason if never."""
    end = time.monotonic() + timeout_s
    while (reason := fault(summary)) is not None:
        if time.monotonic() > end or _crashes(summary):
            raise HolodeckError(
                f"{summary['service']} {names.short(summary['commit'])}: is not "
                f"healthy after {timeout_s} s at most: {reason}\n{_last_words(summary)}"
            )
        time.sleep(_POLL_S)


def fault(summary):
    """Return what keeps the deployment from being healthy, or ``None``."""
    for unit in summary["units"]:
        state = systemd.show(unit)
        if state["ActiveState"] != "active":
            return f"{unit} is {state['ActiveState']} ({state['SubState']})"
        found = systemd.environment(state["MainPID"]).get("HOLODECK_DEPLOYMENT")
        if found != names.deployment(summary["commit"], summary["config"]):
            return f"{unit} runs {found}"
    return _http_fault(summary["port"], summary["health"])


def running_commit(summary):
    """Return the commit that the first process was started from, or ``None``."""
    pid = systemd.show(summary["units"][0])["MainPID"]
    return systemd.environment(pid).get("HOLODECK_COMMIT")


def _http_fault(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_REQUEST_S)
    try:
        connection.request("GET", path, headers={"User-Agent": "holodeck-health"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"GET {path} on port {port}: {error}"
    finally:
        connection.close()
    return None if status in _OK else f"GET {path} on port {port} answers {status}"


def _crashes(summary):
    return any(systemd.show(unit)["NRestarts"] > _RESTARTS for unit in summary["units"])


def _last_words(summary):
    """Return the journal's last lines without what the configuration keeps secret."""
    text = "\n".join(systemd.journal(unit) for unit in summary["units"])
    return masking.mask(text, deployments.secrets(summary))
