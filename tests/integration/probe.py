"""
A steady load on a balancer, open loop: requests start on time, come what may.

Two streams run side by side, because a rollout can hurt either: one keeps its
connections, one makes a new connection for each request.
"""

import asyncio
import threading
from collections import Counter
from dataclasses import dataclass, field

import aiohttp

_TIMEOUT_S = 10
_OK = range(200, 400)


@dataclass
class Tally:
    """What came of the requests."""

    sent: int = 0
    failed: Counter = field(default_factory=Counter)
    commits: Counter = field(default_factory=Counter)


class Probe:
    """A context in which ``per_second`` requests a second go to each path."""

    def __init__(self, url, paths=("/",), per_second=25):
        self._urls = [url + path for path in paths]
        self._pause = 1 / per_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.tally = Tally()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    async def _run(self):
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as kept,
            aiohttp.ClientSession(
                timeout=timeout, connector=aiohttp.TCPConnector(force_close=True)
            ) as fresh,
        ):
            pending = set()
            while not self._stop.is_set():
                for url in self._urls:
                    for session in (kept, fresh):
                        pending.add(asyncio.create_task(self._one(session, url)))
                await asyncio.sleep(self._pause)
                pending = {task for task in pending if not task.done()}
            await asyncio.gather(*pending)

    async def _one(self, session, url):
        self.tally.sent += 1
        try:
            async with session.get(url) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            self.tally.failed[type(error).__name__] += 1
            return
        self.tally.commits[answer.headers.get("X-Holodeck-Commit")] += 1
        if answer.status not in _OK:
            self.tally.failed[answer.status] += 1
