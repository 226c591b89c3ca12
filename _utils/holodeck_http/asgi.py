"""An ASGI application in-process: its requests as WSGI, its lifespan around them."""

import asyncio
import contextlib
import inspect

try:
    import a2wsgi
except ImportError:  # only a laptop with an ASGI application needs it
    a2wsgi = None

_START_S = 30


class LifespanError(Exception):
    """The application said that it could not start."""


def is_asgi(app):
    """Tell whether an application speaks ASGI 3."""
    call = app if inspect.isroutine(app) else getattr(app, "__call__", app)  # noqa: B004
    return inspect.iscoroutinefunction(call)


class AsgiApp:
    """
    A WSGI application over an ASGI one.

    It runs the application's lifespan, which makes pools and reads models: startup at
    the first request, shutdown at :meth:`close`.

    Raises :class:`LifespanError` where the startup fails, and ``ImportError`` without
    a2wsgi.
    """

    def __init__(self, app):
        if a2wsgi is None:
            raise ImportError("an ASGI application in-process needs a2wsgi; install it")
        self._app = app
        self._state = {}
        self._wsgi = a2wsgi.ASGIMiddleware(self._with_state)
        self._lifespan = None
        self._is_closed = False

    def __call__(self, environ, start_response):
        """Answer one WSGI request."""
        if self._lifespan is None:
            self._lifespan = _Lifespan(self._app, self._state)
            self._wait(self._lifespan.start())
        return self._wsgi(environ, start_response)

    def close(self):
        """Let the application shut down, and end its event loop."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._lifespan:
            self._wait(self._lifespan.stop())
        loop = self._wsgi.loop
        loop.call_soon_threadsafe(loop.stop)

    async def _with_state(self, scope, receive, send):
        await self._app({**scope, "state": dict(self._state)}, receive, send)

    def _wait(self, coroutine):
        future = asyncio.run_coroutine_threadsafe(coroutine, self._wsgi.loop)
        return future.result(_START_S)


class _Lifespan:
    """The lifespan protocol; an application that has none goes without."""

    def __init__(self, app, state):
        self._scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": state,
        }
        self._app, self._task = app, None

    async def start(self):
        self._told, self._said = asyncio.Queue(), asyncio.Queue()
        self._task = asyncio.create_task(self._run())
        await self._told.put({"type": "lifespan.startup"})
        answer = await self._said.get()
        if answer["type"] == "lifespan.startup.failed":
            raise LifespanError(f"startup failed: {answer.get('message', '')}")

    async def stop(self):
        if not self._task.done():
            await self._told.put({"type": "lifespan.shutdown"})
            await self._said.get()
            await self._task

    async def _run(self):
        # Whoever has no lifespan raises: so says the protocol.
        with contextlib.suppress(Exception):
            await self._app(self._scope, self._told.get, self._said.put)
        await self._said.put({"type": "none"})
