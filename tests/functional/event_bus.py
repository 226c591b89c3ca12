"""A master's event bus, and nothing else of a master."""

import contextlib
import multiprocessing
from pathlib import Path

import salt.transport
import tornado.ioloop
from waiting import until


@contextlib.contextmanager
def published(opts):
    """Have the bus in ``sock_dir`` during the block."""
    folder = Path(opts["sock_dir"])
    folder.mkdir(exist_ok=True)
    publisher = multiprocessing.get_context("fork").Process(target=_serve, args=[opts])
    publisher.start()
    try:
        until((folder / "master_event_pull.ipc").exists, "the bus is there")
        yield
    finally:
        publisher.terminate()
        publisher.join()
        for socket in folder.glob("master_event_*.ipc"):
            socket.unlink()


def _serve(opts):
    """Be the bus, as the master is."""
    bus = salt.transport.ipc_publish_server("master", opts)
    loop = tornado.ioloop.IOLoop()
    loop.spawn_callback(bus.publisher, bus.publish_payload, io_loop=loop)
    loop.start()
