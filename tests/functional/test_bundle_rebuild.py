"""Bundles built from their predecessors: the bytes of a build from scratch."""

import json
import multiprocessing
import os
import tarfile
import traceback
from pathlib import Path

import builder
import bundle_builder
import pytest
from bundle_builder import (
    ALPHA,
    ALPHA_2,
    BETA,
    LINES,
    REBUILT,
    Place,
    digests,
    locked,
    prefix,
    wheel,
)

from holodeck_bundle import delta
from holodeck_io import files, process

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

_ONE, _TWO = (
    wheel(name, "1.0", {f"{name}.py": LINES, "shared/page.py": f"OF = {name!r}\n"})
    for name in ("one", "two")
)
_WHEELS = [ALPHA, ALPHA_2, BETA, REBUILT, _ONE, _TWO]


@pytest.fixture(scope="module")
def index():
    """The index that every builder here asks."""
    with bundle_builder.serving(*_WHEELS) as running:
        yield running


_CHANGES = {
    "an upgraded package": ([ALPHA, BETA], [ALPHA_2, BETA]),
    "a downgraded package": ([ALPHA_2, BETA], [ALPHA, BETA]),
    "a new package": ([ALPHA], [ALPHA, BETA]),
    "a removed package": ([ALPHA, BETA], [BETA]),
    "another file of the same version": ([ALPHA, BETA], [ALPHA, REBUILT]),
    "a twin that goes": ([ALPHA, _ONE, _TWO], [ALPHA, _ONE]),
    "a twin that replaces the other": ([_ONE, BETA], [_TWO, BETA]),
}


@pytest.mark.parametrize("change", _CHANGES)
def test_build_after_another_is_a_build_from_scratch(index, here, elsewhere, change):
    """
    A lock that follows another gives the bytes of a builder that never saw that one.

    What the predecessor had does not change, though files of both are the same ones.
    """
    old, new = (locked(index, *wheels) for wheels in _CHANGES[change])
    before = here.build(old)
    after = here.build(new, bases=before["layers"], commit="b" * 40)
    assert digests(after) == digests(elsewhere.build(new, commit="b" * 40))
    for layer in before["layers"]:
        assert files.tree_digest(prefix(layer)) == layer["tree"]
        assert files.sha256_file(layer["file"]) == layer["sha256"]


def test_build_of_contested_files_is_the_same_each_time(tmp_path, index):
    """Of packages that bring one file with other bytes, the last by name has it."""
    contents = set()
    for number in range(4):
        manifest = Place(tmp_path / str(number)).build(locked(index, _ONE, ALPHA, _TWO))
        [page] = prefix(manifest["layers"][0]).rglob("shared/page.py")
        contents.add(page.read_text())
    assert contents == {"OF = 'two'\n"}


@pytest.fixture
def project(tmp_path, index):
    """A repository that is a plain folder of modules."""
    return bundle_builder.plain_project(tmp_path / "git" / "sample", index)


def test_build_one_line_compiles_one_file(here, elsewhere, project, monkeypatch):
    """What did not change is not compiled again, and comes out the same."""
    recipe = builder.spec(project)
    before = here.build(recipe, project.first)
    commit = project.with_files({"service/web.py": f"{LINES}ONE_MORE = 1\n"})
    compiled, run = [], process.run

    def watched(argv, **options):
        if "compileall" in argv:
            compiled.extend(Path(line).name for line in options["stdin"].splitlines())
        return run(argv, **options)

    monkeypatch.setattr(process, "run", watched)
    after = here.build(recipe, commit, before["layers"])
    assert compiled == ["web.py"]
    monkeypatch.undo()
    assert digests(after) == digests(elsewhere.build(recipe, commit))


def _next(project, index):
    """Return a commit with one more line and another file of one dependency."""
    lock = locked(index, ALPHA_2, BETA)["requirements"]
    changed = {"requirements.txt": lock, "service/web.py": f"{LINES}ONE_MORE = 1\n"}
    return project.with_files(changed)


def test_delta_makes_the_new_tree_of_a_host_s_old_one(here, project, index, tmp_path):
    """Each layer's difference turns what a package put on a host into the new tree."""
    before = here.build(builder.spec(project), project.first)
    commit = _next(project, index)
    after = here.build(builder.spec(project), commit, before["layers"])
    builder.unpacked(before, tmp_path / "host")
    for layer in after["layers"]:
        [made] = layer["deltas"]
        target = tmp_path / layer["role"]
        delta.apply(f"{tmp_path}/host{made['base_root']}", made["file"], target)
        assert files.tree_digest(target) == layer["tree"]
        assert files.sha256_file(made["file"]) == made["sha256"]
        assert Path(made["file"]).stat().st_size == made["size"]


def _moved(layer):
    """Return the names of sources that a layer's difference brings, and removes."""
    [made] = layer["deltas"]
    with tarfile.open(made["file"]) as archive:
        removed = json.load(archive.extractfile(" removed.json"))
        brought = [n for n in archive.getnames() if not n.endswith((".pyc", ".json"))]
    # What is replaced is removed first.
    gone = {n for n in removed if not n.endswith((".pyc", ".json"))} - set(brought)
    return set(brought), {name.split("site-packages/")[-1] for name in gone}


def test_delta_has_the_changed_files_alone(here, project, index):
    """One line moves a few kB; a new lock moves the files of what is new in it."""
    recipe = builder.spec(project)
    before = here.build(recipe, project.first)
    line = project.with_files({"service/web.py": f"{LINES}ONE_MORE = 1\n"})
    _, app = here.build(recipe, line, before["layers"])["layers"]
    assert app["deltas"][0]["size"] < 4000
    assert _moved(app) == ({"app/service/web.py"}, set())
    deps, _ = here.build(recipe, _next(project, index), before["layers"])["layers"]
    brought, gone = _moved(deps)
    site = next(name for name in brought if name.endswith("of2.py")).split("alpha")[0]
    assert {name.removeprefix(site).split("/")[0] for name in brought} == {
        "alpha", "alpha-2.0.dist-info",
    }  # fmt: skip
    assert {name.split("/")[0] for name in gone} == {"alpha", "alpha-1.0.dist-info"}


def _at_once(jobs):
    """Run functions in processes of their own at the same time; return the results."""
    context = multiprocessing.get_context("fork")
    with context.Manager() as manager:
        results = manager.dict()

        def job(number):
            try:
                results[number] = jobs[number]()
            except Exception:  # noqa: BLE001 -- told by the test, not by a child
                results[number] = traceback.format_exc()

        running = [context.Process(target=job, args=(n,)) for n in range(len(jobs))]
        for one in running:
            one.start()
        for one in running:
            one.join()
        found = [results.get(number) for number in range(len(jobs))]
    assert all(isinstance(one, dict) for one in found), "\n".join(map(str, found))
    return found


def test_build_of_two_commits_at_the_same_time(here, elsewhere, project, index):
    """Builds in one cache neither wait for ever, nor mix, whatever lock they have."""
    recipe = builder.spec(project)
    line = project.with_files({"service/web.py": f"{LINES}ONE_MORE = 1\n"})
    commits = [project.first, line, _next(project, index)]
    found = _at_once(
        [lambda commit=commit: here.build(recipe, commit) for commit in commits]
    )
    alone = [elsewhere.build(recipe, commit) for commit in commits]
    assert [digests(one) for one in found] == [digests(one) for one in alone]
    assert not list(here.cache.rglob(".build-*"))


def _shelve(shelf, name, since_epoch_s=None):
    """Put a folder among a builder's trees, last used then or now."""
    (shelf / name).mkdir()
    if since_epoch_s:
        os.utime(shelf / name, (since_epoch_s, since_epoch_s))


def test_prune_removes_what_is_old_and_not_among_the_newest(here, index):
    """A build removes trees of long ago, never one that it uses or the newest six."""
    recipe = locked(index, ALPHA, BETA)
    [deps, app] = here.build(recipe)["layers"]
    (own, shelf), (_, bundles) = (Path(one["file"]).parents[:2] for one in (deps, app))
    os.utime(own, (1000, 1000))
    for number in range(8):
        _shelve(shelf, f"new{number}")
        _shelve(shelf, f"old{number}", 2000 + number)
        _shelve(bundles, f"old{number}", 2000 + number)
    here.build(recipe)
    left = {path.name for path in shelf.iterdir()}
    assert left == {own.name, *(f"new{number}" for number in range(8))}
    left = {path.name for path in bundles.glob("old*")}
    assert left == {"old7", "old6", "old5", "old4", "old3"}
