"""
A steady load on live targets, and two targets side by side.

.. code-block:: console

    $ python -m holodeck_http.probe '{"do": "watch", "targets": [{"url": "http://lb1"}],
        "paths": ["/"], "per_second": 10, "seconds": 60}'

Lines of JSON go to stdout: ``[epoch, whether it failed, ms]`` for each request.
"""

import concurrent.futures
import itertools
import json
import sys
import threading
import time

from holodeck_http import app, client, results

_WORKERS = 16
_DEADLINE_S = 5
_WARM_S = 0.5
_FAILED_FROM = 400


def watch(targets, paths, per_second, seconds, write):
    """
    Send requests at a steady rate, whether or not the ones before were answered.

    targets
        A list of what :class:`~holodeck_http.client.Target` takes.
    per_second, seconds
        The rate of all targets together, and for how long.
    write
        Called with ``[epoch, whether it failed, ms]`` as each ends.
    """
    turns = itertools.cycle(itertools.product(paths, map(_target, targets)))
    begin, free = time.monotonic(), threading.Semaphore(_WORKERS)

    def work(target, path):
        try:
            write(_one(target, path))
        finally:
            free.release()

    with concurrent.futures.ThreadPoolExecutor(_WORKERS) as pool:
        for number in range(int(per_second * seconds)):
            wait = begin + number / per_second - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            path, target = next(turns)
            if free.acquire(blocking=False):
                pool.submit(work, target, path)
            else:
                # All wait already: what is sent later would be another load.
                write([round(time.time(), 2), True, _DEADLINE_S * 1000])


def compare(old, new, paths, seconds):
    """
    Send the same requests to two targets in turn; return how long each took.

    In turn, because whatever else the machines do then meets both alike. Returns
    ``{"old", "new"}`` with the percentiles of each, and ``failed``: how many of each
    had no good answer, ``{"old": 0, "new": 0}``.
    """
    apps = {"old": app.App(_live(old)), "new": app.App(_live(new))}
    times = {"old": [], "new": []}
    failed = {"old": 0, "new": 0}
    warm = time.monotonic() + _WARM_S
    for path in itertools.cycle(paths):
        for which, target in apps.items():
            started = time.monotonic()
            failed[which] += _failed(target, path)
            times[which].append(time.monotonic() - started)
        if warm and time.monotonic() > warm:
            # What was asked so far filled caches.
            warm, end = None, time.monotonic() + seconds
            times, failed = {"old": [], "new": []}, {"old": 0, "new": 0}
        elif not warm and time.monotonic() > end:
            break
    found = {which: results.percentiles(took) for which, took in times.items()}
    return {**found, "failed": failed}


def _target(options):
    return client.Target(**options, deadline_s=_DEADLINE_S)


def _live(options):
    return client.LiveApp(_target(options))


def _one(target, path):
    """Send one request as a user would who comes for the first time."""
    at, started = time.time(), time.monotonic()
    live = client.LiveApp(target)
    failed = _failed(app.App(live), path)
    live.close()
    return [round(at, 2), failed, round((time.monotonic() - started) * 1000, 2)]


def _failed(target, path):
    try:
        return target.get(path, status="*").status_int >= _FAILED_FROM
    except Exception:  # noqa: BLE001 -- whatever it is, there was no good answer
        return True


def _write(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def main(text):
    """Do what the JSON of the command line says."""
    asked = json.loads(text)
    if asked.pop("do") == "compare":
        _write(compare(**asked))
    else:
        watch(**asked, write=_write)


if __name__ == "__main__":
    main(sys.argv[1])
