"""HAProxy's runtime words: commands built, answers parsed."""

import csv
import io


def show_stat():
    """Return the command that lists every backend's servers."""
    return "show stat -1 4 -1"


def show_state():
    """Return the command whose answer restores the servers' state at a start."""
    return "show servers state"


def show_info():
    """Return the command that tells of the whole process."""
    return "show info"


def parse_info(text):
    """Return ``{name: number}`` of what ``show info`` counts."""
    pairs = (line.partition(": ")[::2] for line in text.splitlines())
    return {name: int(value) for name, value in pairs if value.isdecimal()}


def set_state(backend, server, state):
    """Return the command that makes a server ``ready`` or ``drain``."""
    return f"set server {backend}/{server} state {state}"


def parse_stat(text):
    """Return ``{backend: {server: {status, scur, …}}}`` from ``show stat``."""
    rows = csv.DictReader(io.StringIO(text.lstrip("# ")))
    found = {}
    for row in rows:
        if row.get("svname") in {None, "FRONTEND", "BACKEND"}:
            continue
        found.setdefault(row["pxname"], {})[row["svname"]] = {
            "status": row["status"],
            "sessions": int(row["scur"] or 0) + int(row["qcur"] or 0),
            "address": row["addr"],
            "check": row["check_status"],
        }
    return found


def split_state(text, wanted):
    """
    Return ``(text without the servers that moved, their names)``.

    text
        The answer to :func:`show_state`. Its second line names the columns.
    wanted
        ``{backend: {server: "ADDRESS:PORT"}}`` as configured.
    """
    lines = text.splitlines(keepends=True)
    head = next((line for line in lines if line.startswith("#")), "").lstrip("# ")
    columns = head.split()
    kept, moved = [], []
    for line in lines:
        row = dict(zip(columns, line.split(), strict=False))
        backend, server = row.get("be_name"), row.get("srv_name")
        place = f"{row.get('srv_addr')}:{row.get('srv_port')}"
        if (
            line.startswith("#")
            or server is None
            or wanted.get(backend, {}).get(server) == place
        ):
            kept.append(line)
        else:
            moved.append(f"{backend}/{server}")
    return "".join(kept), moved


def is_drained(server):
    """Tell whether a server takes no new requests and has none left."""
    leaving = server["status"].startswith(("DRAIN", "DOWN", "MAINT", "NOLB"))
    return leaving and server["sessions"] == 0


def is_up(server):
    """Tell whether a server is in rotation and its health check passes."""
    return server["status"].startswith("UP") or server["status"] == "no check"
