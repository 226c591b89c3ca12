"""What a run leaves on its tester: a folder with lines, logs and one report."""

import datetime as dt
import json
import os
import shutil
import stat

from holodeck_io import files

# A release tests host by host: each is one run.
_KEEP_RUNS = 100
_MOST_CHARS = 32 << 20
_LOG_CHARS = 1 << 20


def new_folder(parent):
    """Make and return the folder of a run; the names sort by time."""
    # The end keeps two runs of one second apart.
    now = dt.datetime.now(dt.timezone.utc)
    folder = parent / f"{now:%Y%m%dT%H%M%S.%fZ}-{os.getpid()}"
    folder.mkdir(parents=True, mode=0o700)
    return folder


def lines(folder, target):
    """Return the file of one target's JSON lines."""
    return folder / f"{target}.jsonl"


def text(path, at_the_end=0):
    """
    Return what a run wrote, or nothing where it wrote nothing.

    at_the_end
        No more than so many bytes of its end.

    It wrote as another user, who may have put anything in the file's place: a link, a
    pipe, what never ends. Only a plain file is read, and so much of it.
    """
    try:
        found = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    with open(found, errors="replace") as file:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            return ""
        if at_the_end:
            file.seek(max(0, os.fstat(found).st_size - at_the_end))
        return file.read(_MOST_CHARS)


def take(source, place, masked):
    """
    Keep what a run wrote, without the secrets that it was given.

    masked
        A method of its :class:`holodeck.masking.Mask`.
    """
    if told := text(source):
        place.write_text(masked(told), encoding="utf-8")


def take_log(source, place, masked):
    """Keep the end of what a run printed, likewise."""
    if told := text(source, at_the_end=_LOG_CHARS):
        place.write_text(masked(told), encoding="utf-8")


def written(folder, summary):
    """
    Write the report; return the summary with that file.

    Each target's verdict stands before its lines. Older runs of the service go.
    """
    # No target's name begins so.
    report = folder / "_all.jsonl"
    with report.open("w", encoding="utf-8") as file:
        for name, entry in summary["targets"].items():
            head = {"event": "target", "name": name, "state": entry["state"]}
            file.write(json.dumps(head) + "\n" + text(lines(folder, name)))
    prune(folder.parents[1])
    return {
        **summary,
        "report": str(report),
        "sha256": files.sha256_file(report),
    }


def prune(reports):
    """Keep the newest runs of a service, over all its commits."""
    runs = sorted(reports.glob("*/*/"), key=lambda folder: folder.name)
    for folder in runs[:-_KEEP_RUNS]:
        shutil.rmtree(folder, ignore_errors=True)
