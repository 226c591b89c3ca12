"""The master's event bus, read without losing an event between two looks at it."""

import asyncio
import collections
import contextlib
import time

import salt.utils.event
import tornado.ioloop

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
        while not self._events.subscriber.connected and time.monotonic() < end:
            self._loop.run_sync(lambda: asyncio.sleep(_POLL_S))
        return self._events.subscriber.connected

    def next(self, wait_s):
        """Return ``(tag, data)`` of the next event, ``None`` if none comes in time."""
        if not self._kept:
            self._came.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                self._loop.run_sync(lambda: asyncio.wait_for(self._came.wait(), wait_s))
        if not self._kept:
            return None
        return salt.utils.event.SaltEvent.unpack(self._kept.popleft())

    def close(self):
        """Hear no more; again is harmless."""
        if self._events is None:
            return
        self._events.destroy()
        self._events = None
        # What has been cancelled ends now, and not with a word on the screen.
        self._loop.run_sync(lambda: asyncio.sleep(0))
        self._loop.close()

    async def _keep(self, package):
        if package.startswith(self._prefix):
            self._kept.append(package)
            self._came.set()
