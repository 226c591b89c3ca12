"""A WSGI application behind a real port of this machine."""

import contextlib
import socketserver
import threading
import wsgiref.simple_server


class _Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True
    # Of more connections at once than this the kernel lets some wait for seconds.
    request_queue_size = 128


class _Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        """Say nothing."""


@contextlib.contextmanager
def serving(app, context=None):
    """Serve ``app``, with a context by TLS; yield the server, with its ``url``."""
    server = wsgiref.simple_server.make_server("127.0.0.1", 0, app, _Server, _Quiet)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    # It looks so often whether it is to end.
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    scheme = "https" if context else "http"
    server.url = f"{scheme}://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()
