"""Whether the processes of a deployment run, are its own, and answer."""

import http.client
import time
from pathlib import Path

from holodeck import names
from holodeck_io import listening, systemd
from holodeck_io.errors import HolodeckError
from holodeck_webapp import deployments, last_words

_POLL_S = 0.05
_REQUEST_S = 5
# More restarts than this within one wait is a crash loop: no need to wait on.
_RESTARTS = 2
_OK = range(200, 300)
_NOWHERE, _REFUSED = " answers 404", " is refused"


def look(summary):
    """Return ``{unit: what systemd says of it}``, for the functions below."""
    return systemd.show(summary["units"])


def wait(summary, timeout_s, since=None):
    """
    Return when the deployment is healthy; raise with the reason if never.

    since
        The moment of the switch to it, if there was one.
    """
    end = time.monotonic() + timeout_s
    while (reason := fault(summary, seen := look(summary))) is not None:
        crashes = any(state["NRestarts"] > _RESTARTS for state in seen.values())
        if crashes or time.monotonic() > end:
            when = "it crashes again and again" if crashes else f"after {timeout_s} s"
            what = f"{summary['service']} {names.short(summary['commit'])}"
            words = last_words.of(summary, since, crashes=crashes)
            why = _why(seen, reason, words)
            raise HolodeckError(f"{what} is not healthy, {when}: {why}")
        time.sleep(_POLL_S)


def _why(seen, reason, words):
    """Return the cause first, then what was met at last, then what was said."""
    met = f"{reason}{_hint(seen, reason)}"
    return "\n".join(filter(None, [last_words.cause(words), met, words]))


def _hint(seen, reason):
    """Return what may be done about what was met, or ``""``."""
    if reason.endswith(_NOWHERE):
        return ": correct `health`, or bring the path"
    if not reason.endswith(_REFUSED):
        return ""
    where = {unit: listening.places(state["MainPID"]) for unit, state in seen.items()}
    elsewhere = [
        f"{unit} listens on {', '.join(found)}"
        for unit, found in where.items()
        if found
    ]
    use = "let the command use ${PORT}"
    return f"; {'; '.join(elsewhere)}: {use}" if elsewhere else "; nothing listens"


def fault(summary, seen):
    """Return what keeps the deployment from being healthy, or ``None``."""
    for unit, state in seen.items():
        if state["ActiveState"] != "active":
            return f"{unit} is {state['ActiveState']} ({state['SubState']})"
        found = systemd.environment(state["MainPID"]).get("HOLODECK_DEPLOYMENT")
        if found != names.deployment(summary["commit"], summary["config"]):
            return f"{unit} runs {found}"
    return _http_fault(summary["port"], summary["health"])


def refusal(summary, path):
    """Return how the deployment's port answers a path that is not well, or ``None``."""
    return _http_fault(summary["port"], path)


def standing(service, deployment):
    """Return how a service stands, whose current deployment is that one."""
    summary = deployments.summary(service, deployment)
    seen = look(summary)
    return {
        "commit": summary["commit"],
        "deployment": names.deployment(summary["commit"], summary["config"]),
        "deployments": deployments.existing(service),
        "running": running_commit(seen),
        "pids": pids(seen),
        "turn": deployments.last_turn(service),
        "changed": deployments.differences(service, deployment),
        "overridden": overridden(seen),
        "fault": fault(summary, seen),
        "stranded": stranded(summary),
    }


def stranded(summary):
    """
    Return that the bundle's Python is gone, or ``None``.

    An upgrade of the system takes it away. What runs goes on until its next start.
    A bundle without its link is damaged, which the same bytes mend.
    """
    python = Path(
        names.bundle_root(summary["service"], summary["commit"]), "bin/python"
    )
    if python.exists() or not python.is_symlink():
        return None
    return (
        f"its Python {python.resolve()} is gone from this host; release the commit "
        "again, which builds it for the Python that is there"
    )


def overridden(seen):
    """Return what makes a unit another one than was released, one line each."""
    found = []
    for unit, state in seen.items():
        if state.get("DropInPaths"):
            found.append(f"{unit} has {state['DropInPaths']}")
        if state.get("NeedDaemonReload") == "yes":
            found.append(f"{unit} was changed since systemd has read it")
    return found


def outlived(seen):
    """
    Tell whether a process runs a program that was removed or replaced meanwhile.

    It is healthy, and says nothing of what its next start will be.
    """
    return any(systemd.program_is_gone(pid) for pid in pids(seen))


def pids(seen):
    """Return the main process of each unit: other ones mean that one was started."""
    return [state["MainPID"] for state in seen.values()]


def running_commit(seen):
    """Return the commit that the first process was started from, or ``None``."""
    return systemd.environment(pids(seen)[0]).get("HOLODECK_COMMIT")


def _http_fault(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_REQUEST_S)
    try:
        connection.request("GET", path, headers={"User-Agent": "holodeck-health"})
        status = connection.getresponse().status
    except ConnectionRefusedError:
        return f"GET {path} on port {port}{_REFUSED}"
    except (OSError, http.client.HTTPException) as error:
        return f"GET {path} on port {port}: {error}"
    finally:
        connection.close()
    return None if status in _OK else f"GET {path} on port {port} answers {status}"
