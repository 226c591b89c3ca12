"""A private package index on the loopback: basic auth, wheels and sdists of its own."""

import base64
import contextlib
import hashlib
import http.server
import io
import tarfile
import threading
import zipfile

USER, PASSWORD = "ci-user", "hunter2-s3cret"


def wheel(name, version, body="", requires=()):
    """Return ``(file name, bytes)`` of a pure wheel with one module."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {need}\n" for need in requires)
    parts = {
        f"{name}.py": f"VERSION = {version!r}\n{body}",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\n"
        f"Version: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},{_recorded(text)},{len(text)}" for path, text in parts.items()]
    parts[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in parts.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return f"{name}-{version}-py3-none-any.whl", buffer.getvalue()


def sdist(name, version, backend):
    """Return ``(file name, bytes)`` of an sdist that its own ``backend.py`` builds."""
    stem = f"{name}-{version}"
    parts = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\n'
        'backend-path = ["."]\n',
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "backend.py": backend,
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, text in parts.items():
            entry = tarfile.TarInfo(f"{stem}/{path}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return f"{stem}.tar.gz", buffer.getvalue()


def sha256(content):
    """Return the hash of a file as locks write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Index:
    """What a running index serves, and who asked for it how."""

    def __init__(self, files, url, users):
        self.files, self.url, self.users = files, url, users
        self.asked = []

    def file_url(self, filename):
        """Return the URL of one of its files."""
        return self.url.replace("/simple", f"/files/{filename}")

    def requirement(self, filename):
        """Return the hashed requirement of one of its files."""
        name, version = filename.removesuffix(".tar.gz").split("-")[:2]
        return f"{name}=={version} --hash={sha256(self.files[filename])}\n"


@contextlib.contextmanager
def serving(*files, users=((USER, PASSWORD),)):
    """Serve ``(name, bytes)`` pairs, to ``users`` alone where there are some."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    url = f"http://127.0.0.1:{server.server_address[1]}/simple"
    server.index = Index(dict(files), url, [":".join(user) for user in users])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    """The simple repository of PEP 503."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Answer with a page of links, or a file."""
        index = self.server.index
        index.asked.append(self.path)
        if index.users and self._user() not in index.users:
            self._answer(401, b"no", {"WWW-Authenticate": 'Basic realm="x"'})
            return
        room, _, name = self.path.strip("/").partition("/")
        if room == "files" and name in index.files:
            self._answer(200, index.files[name], {})
        elif room == "simple" and (links := _links(index, name)):
            self._answer(200, links.encode(), {"Content-Type": "text/html"})
        else:
            self._answer(404, b"none", {})

    def do_HEAD(self):
        """Answer without the body."""
        self.do_GET()

    def log_message(self, *_):
        """Say nothing."""

    def _user(self):
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        return base64.b64decode(value).decode() if kind == "Basic" else None

    def _answer(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _links(index, name):
    return "".join(
        f'<a href="/files/{file}#{sha256(content).replace(":", "=")}">{file}</a>\n'
        for file, content in index.files.items()
        if file.split("-")[0] == name
    )


def _recorded(text):
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def basic(user, password):
    """Return the credentials as the header Authorization has them."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()
