"""The layers, kept apart by reading the code."""

import ast
from pathlib import Path

import pytest

_PACK = Path(__file__).parents[2]
_ROOMS = ("_modules", "_states", "_runners", "_pillar", "_output", "_clouds", "_utils")
_FILES = sorted(file for room in _ROOMS for file in _PACK.joinpath(room).rglob("*.py"))
_OURS = {path.name for path in _PACK.joinpath("_utils").iterdir() if path.is_dir()} - {
    "__pycache__"
}
# What a pure module may use: no files, processes, sockets, clock, environment, Salt.
_PURE = {
    "ast", "base64", "collections", "csv", "dataclasses", "datetime", "difflib",
    "hashlib", "hmac", "html", "io", "ipaddress", "json", "re", "shlex", "textwrap",
    "typing",
}  # fmt: skip
# Of a package that can do more, the part that is pure.
_PURE_PARTS = {"urllib.parse"}
_LINES = 300
# Longer than they want to be, and why that is borne.
_LONG = {
    "_modules/bundle.py": "a third is docstrings that Salt shows on the CLI",
    "_modules/webapp.py": "a third is docstrings that Salt shows on the CLI",
    "_modules/webtest.py": "a third is docstrings that Salt shows on the CLI",
    "_runners/holodeck.py": "a third is docstrings that Salt shows on the CLI",
    "_output/holodeck.py": "Salt loads an outputter alone, from one file",
    "_clouds/nspawn.py": "salt-cloud wants a driver in one file",
    "_clouds/openstack.py": "salt-cloud wants a driver in one file",
}


def _room(name):
    return [file for file in _FILES if str(file.relative_to(_PACK)).startswith(name)]


def _name(file):
    return str(file.relative_to(_PACK))


def _tree(file):
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def _imports(nodes):
    """Return the full names of what is imported by ``nodes``."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports fail in Salt's loader"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _tops(file):
    return {name.split(".")[0] for name in _imports(ast.walk(_tree(file)))}


def _functions(file):
    return [
        node
        for node in _tree(file).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]


def test_files_are_found():
    """The tests below look at something."""
    assert len(_FILES) > 40
    assert {"holodeck", "holodeck_io", "holodeck_http", "holodeck_master"} <= _OURS


@pytest.mark.parametrize("file", _room("_utils/holodeck/"), ids=_name)
def test_pure_core_takes_data_and_returns_data(file):
    """The core imports nothing that has effects, and calls no open() or print()."""
    imported = _imports(ast.walk(_tree(file))) - _PURE_PARTS
    assert {name.split(".")[0] for name in imported} <= _PURE | {"holodeck"}
    calls = [node for node in ast.walk(_tree(file)) if isinstance(node, ast.Call)]
    called = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
    assert not called & {"open", "print", "input", "exec", "eval", "__import__"}


@pytest.mark.parametrize("file", _room("_utils/holodeck/"), ids=_name)
def test_pure_core_asks_no_clock(file):
    """Times come in as arguments."""
    asked = {
        node.attr for node in ast.walk(_tree(file)) if isinstance(node, ast.Attribute)
    }
    assert not asked & {"now", "utcnow", "today"}


@pytest.mark.parametrize("file", _room("_utils/holodeck_http"), ids=_name)
def test_http_client_knows_no_salt(file):
    """Suites run on laptops and in bundles, where there is no Salt."""
    assert "salt" not in _tops(file)
    assert not _tops(file) & (_OURS - {"holodeck_http", "holodeck"})


@pytest.mark.parametrize("file", _room("_utils/holodeck_"), ids=_name)
def test_shared_code_uses_no_dunders(file):
    """What is imported has no ``__salt__``: the caller hands over what is needed."""
    named = {node.id for node in ast.walk(_tree(file)) if isinstance(node, ast.Name)}
    assert not named & {"__salt__", "__grains__", "__opts__", "__pillar__", "__utils__"}


@pytest.mark.parametrize("file", _room("_states"), ids=_name)
def test_states_reach_the_host_through_modules_alone(file):
    """A state plans with pure code and acts through ``__salt__``."""
    for name in _imports(ast.walk(_tree(file))):
        assert name.startswith(("holodeck.", "salt.exceptions.")), name


@pytest.mark.parametrize("file", _room("_output"), ids=_name)
def test_outputters_import_nothing_of_ours(file):
    """Salt loads outputters without the pack's shared code."""
    assert not _tops(file) & (_OURS | {"salt"})


@pytest.mark.parametrize("file", _room("_modules"), ids=_name)
def test_modules_know_nothing_of_the_master(file):
    """What runs on minions has no code of the runner or of hosts' making."""
    assert not _tops(file) & {
        "holodeck_cloud", "holodeck_master", "holodeck_nspawn", "holodeck_openstack",
        "holodeck_saltify",
    }  # fmt: skip


@pytest.mark.parametrize(
    "file",
    [*_room("_modules"), *_room("_utils/holodeck_bundle"),
     *_room("_utils/holodeck_tester")],
    ids=_name,
)  # fmt: skip
def test_minions_need_nothing_of_a_tester_bundle(file):
    """
    A minion's own Python has no WebTest, urllib3 or pytest: its bundle has.

    Worse, `import webtest` would find the pack's own module of that name there.
    """
    parts = {
        name.split(".")[1]
        for name in _imports(ast.walk(_tree(file)))
        if name.startswith("holodeck_http.")
    }
    assert parts <= {"checks", "deadline", "results", "urls"}


@pytest.mark.parametrize("file", _FILES, ids=_name)
def test_imports_of_the_pack_stand_at_the_top(file):
    """An import within a function fails on a minion that started before the sync."""
    inner = [
        node
        for function in ast.walk(_tree(file))
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    ]
    assert not {name.split(".")[0] for name in _imports(inner)} & _OURS


@pytest.mark.parametrize(
    ("file", "function"),
    [(f, x) for room in ("_modules", "_runners") for f in _room(room)
     for x in _functions(f)],
    ids=lambda value: value.name,
)  # fmt: skip
def test_public_functions_have_a_cli_example(file, function):
    """Each function that a person can call shows how."""
    doc = ast.get_docstring(function) or ""
    assert "CLI Example:" in doc
    tool = "salt-run" if "_runners" in file.parts else "salt "
    name = function.name.removesuffix("_")
    assert f"{tool}" in doc.partition("CLI Example:")[2]
    assert f"{file.stem}.{name}" in doc.partition("CLI Example:")[2]


@pytest.mark.parametrize(
    ("file", "function"),
    [(f, x) for room in ("_modules", "_states") for f in _room(room)
     for x in _functions(f)],
    ids=lambda value: value.name,
)  # fmt: skip
def test_public_functions_let_salt_report_misspelt_options(file, function):
    """No ``**kwargs``: Salt then names an argument that does not exist."""
    assert function.args.kwarg is None


def _calls(node, name):
    """Return the arguments of the calls of ``name`` within ``node``, as text."""
    return [
        [ast.unparse(argument) for argument in call.args]
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == name
    ]


@pytest.mark.parametrize(
    ("file", "function"),
    [(f, x) for f in _room("_runners") for x in _functions(f)],
    ids=lambda value: value.name,
)  # fmt: skip
def test_runner_functions_refuse_misspelt_options_themselves(file, function):
    """Salt ends with status 0 on an option that a runner's function does not take."""
    assert function.args.kwarg.arg == "options"
    [answer] = _calls(function, "_answer")
    assert answer[1] == "options"


def test_runner_refuses_options_before_any_work():
    """The one place where every function ends looks at the options first."""
    [file] = _room("_runners")
    [answer] = [
        node
        for node in _tree(file).body
        if isinstance(node, ast.FunctionDef) and node.name == "_answer"
    ]
    [guarded] = [node for node in answer.body if isinstance(node, ast.Try)]
    assert _calls(guarded.body[0], "_refuse") == [["kind", "options"]]
    assert _calls(answer, "_refuse") == [["kind", "options"]]


@pytest.mark.parametrize("file", _FILES, ids=_name)
def test_commands_never_go_through_a_shell(file):
    """No ``shell=True``, no ``os.system``: commands are lists of words."""
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.keyword) and node.arg in {"shell", "python_shell"}:
            assert isinstance(node.value, ast.Constant)
            assert node.value.value is False
        if isinstance(node, ast.Attribute):
            assert node.attr not in {"system", "popen"}


@pytest.mark.parametrize("file", _FILES, ids=_name)
def test_files_are_short(file):
    """A file is at most 300 lines, but for those with a reason."""
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= _LINES or _name(file) in _LONG


def test_names_of_test_files_are_their_own():
    """Pytest imports test files by their bare names: of two it would take one."""
    names = [path.name for path in (_PACK / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
