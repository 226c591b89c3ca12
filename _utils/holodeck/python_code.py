"""What a project's Python says of the service that it is. Pure; nothing is imported."""

import ast

WSGI, ASGI = "wsgi", "asgi"
_MAKERS = {
    **dict.fromkeys(
        ("Flask", "Bottle", "get_wsgi_application", "make_wsgi_app", "falcon.App"),
        WSGI,
    ),
    **dict.fromkeys(
        ("FastAPI", "Starlette", "Quart", "Litestar", "get_asgi_application",
         "falcon.asgi.App"),
        ASGI,
    ),
}  # fmt: skip
_VARIABLES = ("app", "application", "api", "wsgi", "asgi")
# The usual places, and those of which nobody serves anything.
_FIRST = ("wsgi", "asgi", "app", "main", "server", "__init__")
_OTHERS = {"tests", "test", "docs", "examples", "scripts", "migrations", "build"}
_HEALTH = ("/healthz", "/health", "/livez", "/readyz", "/ping", "/_health",
           "/heartbeat", "/status")  # fmt: skip


class Project:
    """
    The modules of a project.

    files
        ``{path: text}``; what does not parse, or is a test, is left out.
    """

    def __init__(self, files):
        self._trees = {}
        for path, text in sorted(files.items(), key=_order):
            if path.endswith(".py") and not _OTHERS.intersection(path.split("/")):
                try:
                    self._trees[path] = ast.parse(text)
                except (SyntaxError, ValueError):
                    continue

    def application(self):
        """
        Return ``(import path, wsgi, asgi or "")`` of the application, or ``None``.

        It is a module's variable that a framework's own call makes, or else one that
        is named as usual and made by any call.
        """
        made = [each for path in self._trees for each in self._made(path)]
        known = [each for each in made if each[1]]
        return next(iter(known or made), None)

    def health(self):
        """Return a path of which the project's own words say that it is for health."""
        words = {
            node.value
            for tree in self._trees.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        return next((path for path in _HEALTH if words & {path, f"{path}/"}), None)

    def variables(self):
        """Return the environment variables that it does not go without."""
        found = {
            node.slice.value
            for tree in self._trees.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.Subscript)
            and _dotted(node.value) in {"os.environ", "environ"}
            and isinstance(node.ctx, ast.Load)
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
        }
        return sorted(found - {"PORT"})

    def _made(self, path):
        for node in self._trees[path].body:
            if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
                continue
            maker = _dotted(node.value.func)
            kind = _MAKERS.get(maker, _MAKERS.get(maker.rpartition(".")[2], ""))
            for target in node.targets:
                name = target.id if isinstance(target, ast.Name) else ""
                if name and (kind or name in _VARIABLES):
                    yield f"{_module(path)}:{name}", kind


def _order(item):
    """Look into the usual modules first, and not deep."""
    path = item[0]
    stem = path.rpartition("/")[2].removesuffix(".py")
    rank = _FIRST.index(stem) if stem in _FIRST else len(_FIRST)
    return rank, path.count("/"), path


def _module(path):
    parts = path.removesuffix(".py").split("/")
    parts = parts[1:] if parts[0] == "src" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _dotted(node):
    """Return ``a.b.c`` of an expression that is that, or an empty text."""
    words = []
    while isinstance(node, ast.Attribute):
        words.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(words)]) if isinstance(node, ast.Name) else ""
