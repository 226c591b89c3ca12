"""A first definition written from a real repository."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from holodeck import definition
from holodeck_io.errors import HolodeckError
from holodeck_master import beginning

_PACK = Path(__file__).parents[2]


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
