"""The documentation builds, and has what it promises."""

import ast
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from holodeck_http import plugin
from lab import Lab

_PACK = Path(__file__).parents[2]
_RUNNER = _PACK / "_runners/holodeck.py"
_LINK = re.compile(r"`(?:[^`<]+ )?<([^>`:]+)>`_")
# What the pack's configuration of a master has in every case.
_NEEDED = "ext_pillar:"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of HTML, and how its build ended."""
    folder = tmp_path_factory.mktemp("docs")
    done = subprocess.run(
        [_PACK / "docs/build", folder], check=False, text=True, capture_output=True
    )
    return folder, done


@pytest.fixture(scope="module")
def reference(built):
    """The reference's HTML."""
    return (built[0] / "reference.html").read_text(encoding="utf-8")


def test_docs_build_without_a_warning(built):
    """No link, reference or docstring is broken: the build ends with 0."""
    folder, done = built
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{folder}/index.html"


@pytest.mark.parametrize("room", ["_runners", "_states", "_modules", "_clouds"])
def test_every_function_is_in_the_reference(reference, room):
    """Whatever a person can call is there, under its own name."""
    for file in _PACK.joinpath(room).glob("*.py"):
        for function in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(function, ast.FunctionDef) and function.name[0] != "_":
                name = f"{room[1:]}.{file.stem}.{function.name}"
                assert f'id="{name}"' in reference, name


def test_functions_are_shown_as_they_are_called(reference):
    """An underscore that Python needs is no part of a command."""
    assert ">bundle.list<" in reference
    assert "list_<" not in reference


def test_every_option_of_the_plugin_is_in_the_reference(reference):
    """`pytest --help` names no ``--http-`` option that the documentation has not."""

    class Parser:
        names = ()

        def getgroup(self, *_):
            return self

        def addoption(self, name, **_):
            self.names += (name,)

        def addini(self, *_):
            pass

    parser = Parser()
    plugin.pytest_addoption(parser)
    assert len(parser.names) > 10
    for name in parser.names:
        assert f'id="cmdoption-{name.removeprefix("--")}"' in reference


def test_every_command_is_in_the_readme():
    """The README's table of commands has each function of the runner."""
    text = (_PACK / "README.rst").read_text(encoding="utf-8")
    table = text.partition("The commands\n")[2].partition("What a release does\n")[0]
    for function in ast.parse(_RUNNER.read_text(encoding="utf-8")).body:
        if isinstance(function, ast.FunctionDef) and function.name[0] != "_":
            assert re.search(rf"``(holodeck\.)?{function.name}\b", table), function.name


@pytest.mark.parametrize(
    "page", ["README.rst", *(f"docs/{p.name}" for p in _PACK.glob("docs/*.rst"))]
)
def test_relative_links_lead_to_files(page):
    """A forge, which knows no Sphinx, follows each of them to a file of the clone."""
    for link in _LINK.findall(_PACK.joinpath(page).read_text(encoding="utf-8")):
        path = _PACK.joinpath(page).parent / link.partition("#")[0]
        assert path.exists(), link


def test_masters_configuration_is_the_same_everywhere():
    """What the README says of the master, the page of installation says too."""
    wanted, told = map(_configuration, ("README.rst", "docs/install.rst"))
    assert wanted == told


def _configuration(page):
    """Return the configuration that a page gives for the master."""
    text = _PACK.joinpath(page).read_text(encoding="utf-8")
    blocks = re.findall(r"\.\. code-block:: yaml\n\n((?: {4}.*\n|\n)+)", text)
    [found] = [block for block in blocks if _NEEDED in block]
    return yaml.safe_load(found)


def test_demos_addresses_are_those_that_the_page_has():
    """Who follows the page clones from where the demo's git server is."""
    text = _PACK.joinpath("docs/first.rst").read_text(encoding="utf-8")
    source = _PACK.joinpath("demo/demo.py").read_text(encoding="utf-8")
    words = re.search(r"^DEMO = Lab\((.*)\)$", source, re.MULTILINE)[1].split(", ")
    demo = Lab("demo", _PACK, "", words[3].strip('"'), int(words[4]))
    assert f"``{demo.git}``" in text
    assert f"``{demo.api}``" in text
