"""The master's event bus, read without losing an event between two looks at it."""

import asyncio
import collections
import concurrent.futures
import contextlib
import time

import salt.utils.event
import tornado.ioloop
from salt.exceptions import SaltDeserializationError

_POLL_S = 0.001


class Bus:
    """
    Events whose tags begin with a prefix, from when :meth:`opens` said so.

    Salt 3007's ``get_event`` connects anew after each time limit: what comes meanwhile
    is lost. What Salt gives to those with a loop of their own always reads.
    """

    def __init__(self, opts, prefix):
        self._prefix = prefix.encode()
        self._kept = collections.deque()
        self._came = asyncio.Event()
        self._loop = tornado.ioloop.IOLoop(
            asyncio_loop=asyncio.new_event_loop(), make_current=False
        )
        self._events = salt.utils.event.get_event(
            "master", opts=opts, listen=True, io_loop=self._loop
        )
        self._events.set_event_handler(self._keep)

    def opens(self, wait_s):
        """Tell whether it is connected, as soon as it is or when the time is up."""
        end = time.monotonic() + wait_s
        while not self._is_connected() and time.monotonic() < end:
            self._run(lambda: asyncio.sleep(_POLL_S))
        return self._is_connected()

    def _is_connected(self):
        # Salt's own `connected` stays true of a connection that was refused.
        stream = self._events.subscriber._stream  # noqa: SLF001
        return stream is not None and not stream.closed()

    def next(self, wait_s):
        """Return ``(tag, data)`` of the next event, ``None`` if none comes in time."""
        if not self._kept:
            self._came.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                self._run(lambda: asyncio.wait_for(self._came.wait(), wait_s))
        while self._kept:
            with contextlib.suppress(SaltDeserializationError):
                return salt.utils.event.SaltEvent.unpack(self._kept.popleft())
        return None

    def close(self):
        """Hear no more; again is harmless."""
        if self._events is None:
            return
        self._events.destroy()
        self._events = None
        # A wait that was interrupted leaves a loop that ends at once: no harm.
        with contextlib.suppress(RuntimeError):
            self._run(_cancel_all)
        self._loop.close()

    def _run(self, deed):
        """
        Run our loop until a deed is done.

        Where a loop runs already, a runner that a minion asked for is in one of the
        master's, it has a thread of its own for that: a thread runs one loop.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._loop.run_sync(deed)
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            return thread.submit(self._loop.run_sync, deed).result()

    async def _keep(self, package):
        if package.startswith(self._prefix):
            self._kept.append(package)
            self._came.set()


async def _cancel_all():
    """End what would complain on the screen that it was left."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
