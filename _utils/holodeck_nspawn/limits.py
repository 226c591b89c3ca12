"""The machine's limits that many hosts run into."""

from pathlib import Path

from holodeck_io.errors import HolodeckError

_WATCHES = Path("/proc/sys/fs/inotify/max_user_instances")
_PER_HOST = 4
_OTHERS = 32
_ENOUGH = 1024


def check_watches(hosts):
    """
    See that the kernel allows the inotify instances of so many ``hosts``.

    They are counted per user over all hosts; without them a host's systemd hangs at
    boot and says nothing. The limit is raised only when it is needed.
    """
    allowed = int(_WATCHES.read_text())
    if allowed >= needed_watches(hosts):
        return
    try:
        _WATCHES.write_text(f"{max(_ENOUGH, needed_watches(hosts))}\n")
    except OSError as error:
        raise HolodeckError(
            f"nspawn: {hosts} hosts need {needed_watches(hosts)} inotify instances, "
            f"this machine allows {allowed}; run: "
            f"sysctl fs.inotify.max_user_instances={_ENOUGH}"
        ) from error


def needed_watches(hosts):
    """Return how many inotify instances so many ``hosts`` and all else may use."""
    return _OTHERS + _PER_HOST * hosts
