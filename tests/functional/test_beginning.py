"""A first definition written from a real repository."""

import shutil
import subprocess
from pathlib import Path

import pytest
import salt.config
import yaml
from fake_world import defined
from salt.utils import dictupdate

from holodeck import definition
from holodeck_io.errors import HolodeckError
from holodeck_master import beginning, pillar

_PACK = Path(__file__).parents[2]
_HOSTS = {
    role: {"ids": [f"{role}1"]} for role in ("web", "balancer", "tester", "builder")
}


@pytest.fixture
def repository(tmp_path):
    """The sample service, as a repository of its own."""
    folder = tmp_path / "guestbook"
    shutil.copytree(_PACK / "examples/guestbook", folder)
    for words in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", "-C", folder, *words], check=True)
    return folder


def _service(text):
    document = yaml.safe_load(text)["holodeck"]
    definition.parse(document)
    return document["services"]["guestbook"]


def test_sample_service_is_found_whole(repository):
    """From a clone by its URL: the definition is valid, and as one would write it."""
    url = repository.as_uri()
    text, left = beginning.written(url)
    assert _service(text) == {
        "repository": url,
        "processes": {"web": "gunicorn --bind 0.0.0.0:${PORT} guestbook.wsgi:app"},
        "port": 8000,
        "health": "/healthz",
        "suite": "tests/http",
    }
    assert text.startswith("# Left to do:\n# - ")
    assert left[-1].startswith("hosts: name your own")


def test_clone_on_the_master_is_read_with_its_origin(repository, tmp_path):
    """Builders clone from there; what is only in the working folder counts too."""
    assert _service(beginning.written(str(repository))[0])["repository"] == str(
        repository
    )
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", repository, clone], check=True)
    found = _service(beginning.written(str(clone))[0])
    assert found["repository"] == str(repository)


def test_branch_is_cloned_and_named(repository):
    """Another branch may have another application, and is what is released."""
    subprocess.run(["git", "-C", repository, "branch", "next"], check=True)
    text, _ = beginning.written(repository.as_uri(), branch="next")
    assert _service(text)["branch"] == "next"
    with pytest.raises(HolodeckError, match="nowhere"):
        beginning.written(repository.as_uri(), branch="nowhere")


@pytest.mark.parametrize("url", ["", "--upload-pack=x", "file:///nowhere/x.git"])
def test_repository_that_is_none_is_refused(url):
    """The error names it; nothing is asked of a terminal."""
    with pytest.raises(HolodeckError, match="Repository"):
        beginning.written(url)


def test_broken_project_file_is_named(repository):
    """What the project says cannot be left out silently."""
    (repository / "pyproject.toml").write_text("[project\n")
    with pytest.raises(HolodeckError, match=r"Repository .*guestbook: .*line 1"):
        beginning.written(str(repository))


def _merged(text, service, places):
    """Return the definition when Salt has merged what is written with the rest."""
    written = yaml.safe_load(text)["holodeck"]
    assert written["environments"]["demo"].keys() == {"services"}
    demo = {"hosts": _HOSTS, "services": places}
    there = {"services": {"other": service}, "environments": {"demo": demo}}
    return definition.parse(dictupdate.update(there, written))


@pytest.mark.parametrize("listen", ["*:80", "10.0.0.9:443 ssl crt /x.pem"])
def test_environment_that_is_defined_gets_the_service_alone(repository, listen):
    """No host is made up; port and bind are none that another service has."""
    service = {"requirements": "a==1 --hash=sha256:00", "processes": {"web": "a"},
               "port": 8000, "checks": [{"path": "/"}]}  # fmt: skip
    there = {"services": {"other": service}, "environments": {"demo": {
        "hosts": _HOSTS, "services": {"other": {"listen": listen}}}}}  # fmt: skip
    known = definition.parse(there)
    where = beginning.Place("demo", known.environments["demo"], ("other",), {8000})
    text, left = beginning.written(str(repository), where=where)
    merged = _merged(text, service, {"other": {"listen": listen}})
    assert merged.services["guestbook"].port == 8001
    bind = merged.environments["demo"].services["guestbook"].listen
    assert bind == ("*:8080" if listen == "*:80" else "*:80")
    assert "hosts:" not in "".join(left)
    assert "top.sls" in left[-1]


def test_environment_without_balancers_gets_a_socket(repository):
    """Systemd holds its connections; nothing could be bound."""
    hosts = {role: _HOSTS[role] for role in ("web", "tester", "builder")}
    there = {"services": {}, "environments": {"demo": {"hosts": hosts}}}
    known = definition.parse(there)
    where = beginning.Place("demo", known.environments["demo"])
    text, _ = beginning.written(str(repository), where=where)
    merged = definition.parse(
        dictupdate.update(there, yaml.safe_load(text)["holodeck"])
    )
    assert merged.services["guestbook"].socket
    assert not merged.environments["demo"].services["guestbook"].listen


@pytest.mark.parametrize(
    ("line", "written", "left"),
    [
        ("gunicorn a:b", "gunicorn a:b", []),
        ("uvicorn --host 0.0.0.0 --port ${PORT} a:b", "uvicorn --fd 3 a:b", []),
        ("waitress-serve a:b", "waitress-serve a:b", ["processes/web"]),
    ],
)
def test_process_takes_the_socket_that_systemd_holds(line, written, left):
    """A second listener on the port would fail; what takes none is left to do."""
    service, told = {"processes": {"web": line, "worker": "rq"}}, []
    beginning._listen_by_systemd(service, told)
    assert service["processes"] == {"web": written, "worker": "rq"}
    assert [each.partition(":")[0] for each in told] == left


def test_service_that_is_defined_already_is_refused(repository):
    """Pillar would merge both into one that nobody wrote."""
    where = beginning.Place("demo", services=("guestbook",))
    with pytest.raises(HolodeckError, match=r"guestbook: is defined already.*name="):
        beginning.written(str(repository), where=where)


def test_place_is_read_from_pillar(monkeypatch):
    """Ports are those of its hosts; without any definition it is a new one."""
    monkeypatch.setattr(pillar, "load", lambda _: defined())
    found = beginning.place({}, "demo")
    assert (found.ports, found.binds, found.services) == ({8000}, {80}, ("guestbook",))
    assert beginning.place({}, "lab").environment is None

    def undefined(_):
        raise pillar.UndefinedError("nothing is defined")

    monkeypatch.setattr(pillar, "load", undefined)
    assert beginning.place({}, "lab") == beginning.Place("lab")


def test_settings_are_left_to_do_and_refused_until_they_are_done(repository):
    """What the code reads has no value yet: it is written, and not released so."""
    (repository / "guestbook/wsgi.py").write_text(
        "import os\napp = make(os.environ['SECRET_KEY'])\n"
    )
    text, left = beginning.written(str(repository))
    assert "settings: give SECRET_KEY, which the code reads" in left
    with pytest.raises(definition.InvalidDefinitionError, match="is still CHANGE-ME"):
        definition.parse(yaml.safe_load(text)["holodeck"])
    notes = [line for line in text.splitlines() if line.startswith("#")]
    assert max(map(len, notes)) <= 80


def test_file_that_is_there_stays(tmp_path):
    """A definition that somebody has worked on is not written over."""
    file = tmp_path / "guestbook.sls"
    beginning.keep("holodeck: {}\n", file)
    assert file.read_text() == "holodeck: {}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(HolodeckError, match="is there already"):
        beginning.keep("other", file)
    assert file.read_text() == "holodeck: {}\n"
    with pytest.raises(HolodeckError, match="No such file"):
        beginning.keep("other", tmp_path / "nowhere" / "x.sls")


def test_demos_pillar_takes_what_is_written(repository, tmp_path):
    """As docs/first.rst has it: a line of top.sls, and Salt merges both definitions."""
    roots = tmp_path / "pillar"
    shutil.copytree(_PACK / "pillar", roots)
    opts = {
        **salt.config.master_config(None),
        "cachedir": str(tmp_path),
        "pillar_roots": {"base": [str(roots)]},
        "ext_pillar": [],
    }
    where = beginning.place(opts, "demo")
    assert (where.ports, where.binds) == ({8000, 8888}, {80, 8888})
    text, _ = beginning.written(str(repository), name="shop", where=where)
    beginning.keep(text, roots / "holodeck/shop.sls")
    with (roots / "top.sls").open("a") as top:
        top.write("    - holodeck.shop\n")
    demo = pillar.load(opts).environments["demo"]
    assert demo.hosts == where.environment.hosts
    binds = {name: place.listen for name, place in demo.services.items()}
    assert binds == {"guestbook": "*:80", "kinto": "*:8888", "shop": "*:8080"}
