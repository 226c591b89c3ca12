"""An nginx of one's own: in the foreground, with all that it writes in one folder."""

import contextlib
import http.client
import subprocess
import time

from waiting import listens

_PATIENCE_S = 60
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
# One process, as whoever runs the tests: another user's worker reads no folder of his.
_CONFIGURATION = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    {temporary}
    include {folder}/site.conf;
}}
"""


class Connection(http.client.HTTPSConnection):
    """A connection to a port of the loopback, by the name of a certificate."""

    def __init__(self, port, name, context):
        super().__init__("127.0.0.1", port, timeout=_PATIENCE_S)
        self._name, self._tls = name, context

    def connect(self):
        """Connect."""
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name)


@contextlib.contextmanager
def running(folder, site, port):
    """Run an nginx for ``site``, which is part of http{} and listens on ``port``."""
    temporary = (f"{name}_temp_path {folder}/{name};" for name in _TEMPORARY)
    text = _CONFIGURATION.format(folder=folder, temporary=" ".join(temporary))
    (folder / "nginx.conf").write_text(text)
    (folder / "site.conf").write_text(site)
    # What nginx serves where nothing is said of an address; Debian's has such a page.
    (folder / "html").mkdir()
    (folder / "html/index.html").write_text("Welcome to nginx!")
    log = folder / "error.log"
    argv = ["nginx", "-p", folder, "-e", log, "-c", folder / "nginx.conf"]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(process, port, log)
            yield
        finally:
            process.terminate()


def _wait(process, port, log):
    end = time.monotonic() + _PATIENCE_S
    while not listens(port):
        if process.poll() is not None:
            raise ChildProcessError(log.read_text())
        if time.monotonic() > end:
            raise TimeoutError(port)
        time.sleep(0.02)
