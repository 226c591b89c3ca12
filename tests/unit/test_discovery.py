"""A first definition from what a repository shows."""

import pytest

from holodeck import definition, discovery

_URL = "git@git.example.org:shop.git"
_LOCK = 'version = 1\n[[package]]\nname = "{}"\nversion = "1.0"\n'
_FLASK = "from flask import Flask\n\napp = Flask(__name__)\n"
_HOSTS = {
    role: {"ids": [f"{role}1"]} for role in ("web", "balancer", "tester", "builder")
}


def _found(files, project=None, **given):
    found = discovery.discover(files, project or {}, _URL, **given)
    place = {"listen": "*:80", "settings": dict.fromkeys(found.settings, "x")}
    hosts = {"demo": {"hosts": _HOSTS, "services": {found.name: place}}}
    # Whatever is found is a definition without a fault.
    definition.parse({"services": {found.name: found.service}, "environments": hosts})
    return found


def _left(found):
    return "\n".join(found.left)


def test_a_usual_project_leaves_nothing_to_do():
    """Lock, application, server, health path and suite are found; no word is left."""
    files = {
        "shop/app.py": _FLASK + "@app.get('/healthz')\ndef health(): ...\n",
        "tests/http/test_shop.py": "def test(app): ...",
        "uv.lock": _LOCK.format("gunicorn"),
    }
    found = _found(files, {"project": {"name": "Shop_Front"}})
    assert (found.name, found.left, found.settings) == ("shop-front", [], {})
    assert found.service == {
        "repository": _URL,
        "processes": {"web": "gunicorn --bind 0.0.0.0:${PORT} shop.app:app"},
        "port": 8000,
        "health": "/healthz",
        "suite": "tests/http",
    }


@pytest.mark.parametrize(
    ("path", "code", "wanted"),
    [
        ("app.py", _FLASK, "gunicorn … app:app"),
        ("src/shop/__init__.py", _FLASK, "gunicorn … shop:app"),
        ("shop/wsgi.py", "import d\napplication = d.get_wsgi_application()",
         "gunicorn … shop.wsgi:application"),
        ("shop/asgi.py", "application = get_asgi_application()",
         "uvicorn … shop.asgi:application"),
        ("main.py", "import fastapi\napi = fastapi.FastAPI()", "uvicorn … main:api"),
        ("web.py", "import falcon\nthing = falcon.App()", "gunicorn … web:thing"),
        ("web.py", "import falcon.asgi\nx = falcon.asgi.App()", "uvicorn … web:x"),
        ("shop/wsgi.py", "from shop import make\napp = make()",
         "gunicorn … shop.wsgi:app"),
    ],
)  # fmt: skip
def test_application(path, code, wanted):
    """Its module and variable, and a server of its kind."""
    line = _found({path: code}).service["processes"]["web"]
    server, app = wanted.split(" … ")
    assert line.split()[0] == server
    assert line.split()[-1] == app
    assert "${PORT}" in line


def test_application_of_a_framework_goes_before_one_of_a_usual_name():
    """What is only named so may be anything."""
    files = {"main.py": "app = Thing()", "shop/site.py": "site = Flask('x')"}
    assert _found(files).service["processes"]["web"].endswith(" shop.site:site")


def test_tests_and_broken_files_are_no_application():
    """A test's own application is not served; what does not parse stops nobody."""
    files = {"tests/app.py": _FLASK, "old.py": "print 'x'", "shop/app.py": _FLASK}
    assert _found(files).service["processes"]["web"].endswith(" shop.app:app")


def test_suites_application_is_the_services():
    """Who names it for pytest has said it already; who names it here knows better."""
    project = {"tool": {"pytest": {"ini_options": {"http_app": "shop.wsgi:app"}}}}
    files = {"main.py": _FLASK}
    assert "shop.wsgi:app" in _found(files, project).service["processes"]["web"]
    found = _found(files, project, app="other:thing")
    assert "other:thing" in found.service["processes"]["web"]


@pytest.mark.parametrize(
    ("lock", "code", "server"),
    [
        ("waitress==3.0 --hash=sha256:00\n", _FLASK, "waitress-serve"),
        ("uvicorn[standard]==0.30 --hash=sha256:00\n", "app = make()", "uvicorn"),
        ("granian==1.0 --hash=sha256:00\n", _FLASK, "granian"),
        ("hypercorn==1.0 --hash=sha256:00\n", "app = Quart('x')", "hypercorn"),
    ],
)
def test_server_is_one_of_the_lock(lock, code, server):
    """A bundle has what is locked, and nothing else."""
    found = _found({"app.py": code, "requirements.txt": lock})
    assert found.service["processes"]["web"].split()[0] == server
    assert "dependencies" not in _left(found)


def test_server_that_is_in_no_lock_is_left_to_do():
    """It would fail in the release: here it is said."""
    found = _found({"app.py": _FLASK, "uv.lock": _LOCK.format("flask")})
    assert "add gunicorn to the dependencies" in _left(found)


@pytest.mark.parametrize(
    "line", ["gunicorn", "Gunicorn>=23", "gunicorn[gevent]~=23.0", "gunicorn  # wsgi"]
)
def test_server_of_a_list_without_hashes_is_there(line):
    """It is to be locked, and not to be added: one thing is left to do."""
    found = _found({"app.py": _FLASK, "requirements.txt": f"flask\n{line}\n"})
    assert "has no hashes" in _left(found)
    assert "add gunicorn" not in _left(found)


def test_server_of_a_similar_name_is_another():
    """What only begins so is another package."""
    found = _found({"app.py": _FLASK, "requirements.txt": "gunicorn-color==1\n"})
    assert "add gunicorn" in _left(found)


@pytest.mark.parametrize(
    ("repository", "is_folder"),
    [
        ("/srv/src/shop", True), ("../shop", True), ("shop", True), ("a/b:c", True),
        ("file:///srv/shop.git", True), ("git@git.example.org:a/shop.git", False),
        ("git.example.org:shop", False), ("git://10.77.0.1:24507/shop.git", False),
        ("https://git.example.org/shop", False),
    ],
)  # fmt: skip
def test_folder_as_repository_is_left_to_do(repository, is_folder):
    """Builders are other machines, and would look for it on themselves."""
    found = discovery.discover({"app.py": _FLASK}, {}, repository, name="shop")
    assert ("repository: builders look" in _left(found)) is is_folder


def test_procfile_is_taken_as_it_is():
    """The first process listens; systemd wants braces; `release` is no process."""
    text = (
        "worker: python -m shop.worker\nweb: gunicorn -b :$PORT shop:app\n"
        "release: python manage.py migrate\n"
    )
    found = _found({"Procfile": text})
    assert list(found.service["processes"].items()) == [
        ("web", "gunicorn -b :${PORT} shop:app"),
        ("worker", "python -m shop.worker"),
    ]
    assert "`release: python manage.py migrate`" in _left(found)


def test_procfile_that_names_no_port_is_left_to_do():
    """Nothing would listen where the balancer looks."""
    found = _found({"Procfile": "web: gunicorn shop:app\n"})
    assert "let it listen on 0.0.0.0:${PORT}" in _left(found)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "commit a hashed one"),
        ({"requirements.txt": "flask==3.1\n"}, "has no hashes"),
    ],
)
def test_lock_without_hashes_is_left_to_do(files, words):
    """The build would refuse it."""
    assert words in _left(_found({"app.py": _FLASK, **files}))


def test_without_a_suite_one_check_stands_for_it():
    """It is valid, and says that it is little."""
    found = _found({"app.py": _FLASK})
    assert found.service["checks"] == [{"path": "/", "marks": ["smoke"]}]
    assert "a suite" in _left(found)
    assert "health" in _left(found)


def test_settings_that_the_code_does_not_go_without():
    """Those with a default of their own, and the port, are not asked for."""
    code = _FLASK + (
        "import os\nfrom os import environ\nkey = os.environ['SECRET_KEY']\n"
        "url = environ['DATABASE_URL']\nmode = os.environ.get('MODE', 'x')\n"
        "port = os.environ['PORT']\nos.environ['TZ'] = 'UTC'\n"
    )
    found = _found({"app.py": code})
    assert list(found.settings) == ["DATABASE_URL", "SECRET_KEY"]
    assert "give DATABASE_URL, SECRET_KEY" in _left(found)


def test_python_that_hosts_need_is_said():
    """The system's own may be another one."""
    found = _found({"app.py": _FLASK, ".python-version": "3.13\n"})
    assert "Python 3.13 on hosts" in _left(found)


@pytest.mark.parametrize(
    ("url", "name"),
    [(_URL, "shop"), ("https://git.example.org/a/My.Shop.git/", "my-shop")],
)
def test_name_is_the_repositorys_where_the_project_has_none(url, name):
    """In the form that a service's name has."""
    assert discovery.discover({"app.py": _FLASK}, {}, url).name == name


@pytest.mark.parametrize("name", ["Shop", "9", "a" * 60])
def test_name_that_no_service_may_have_is_refused(name):
    """Whoever gives one means it: it is not changed silently."""
    with pytest.raises(discovery.UnknownError, match=f"{name!r} is no name"):
        _found({"app.py": _FLASK}, name=name)


def test_repository_without_an_application_is_refused():
    """No definition can be without: what helps is named."""
    with pytest.raises(discovery.UnknownError, match=r"app=package\.module:variable"):
        _found({"shop.py": "x = 1"})
