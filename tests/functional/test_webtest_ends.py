"""Suites end with their run: no process outlives it."""

# ruff: noqa: F401, F811 -- fixtures come by name

import contextlib
import os
import time
from pathlib import Path

import pytest
from tester import COMMIT, bundle, given, loaded, run, web

from holodeck_tester import jobs


def _named(mark):
    """Return the processes whose command has a mark, whatever they call themselves."""
    return [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if mark.encode() in _command(path)
    ]


def _command(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_run_deadline_leaves_no_orphan(run, web, tmp_path):
    """At the deadline the run dies with its children, fled ones too."""
    mark = f"time.sleep(600.{os.getpid()})"
    source = f"""
    import subprocess, sys, time
    SLEEP = [sys.executable, "-c", "import time; {mark}"]
    def test_before(app):
        app.get("/")
    def test_hangs():
        children = [subprocess.Popen(SLEEP, start_new_session=n) for n in (0, 1)]
        with open({str(tmp_path / "children")!r}, "w") as file:
            file.write(str(len(children)))
        time.sleep(600)
    """
    answer = run([web], source, deadline_s=10)
    entry = answer["targets"]["web1"]
    assert entry["state"] == "timeout"
    assert entry["counts"]["passed"] == 1
    assert entry["failures"][0]["id"] == "test_it.py::test_hangs"
    assert (tmp_path / "children").read_text() == "2"
    assert _named(mark) == []


def test_run_end_leaves_no_orphan(run, web):
    """A daemon that a passing test forgot is ended too."""
    mark = f"time.sleep(601.{os.getpid()})"
    source = f"""
    import subprocess, sys
    SLEEP = [sys.executable, "-c", "import time; {mark}"]
    def test_forgets():
        subprocess.Popen(SLEEP, start_new_session=True)
    """
    assert run([web], source)["ok"] is True
    assert _named(mark) == []


def test_run_killed_job_takes_its_suite_along(web, bundle, tmp_path):
    """When Salt's job is killed, the suite it started dies as well."""
    (bundle / "suite" / "test_it.py").write_text(
        "import pathlib, time\n"
        "def test_hangs():\n"
        f"    pathlib.Path({str(tmp_path / 'here')!r}).touch()\n"
        "    time.sleep(600)\n"
    )
    job = os.fork()
    if not job:
        python = bundle / "bin" / "python"
        with jobs.job(tmp_path, python, COMMIT, [], {}) as own:
            own.add(bundle / "suite", None)
            own.test_all([web], time.monotonic() + 120)
        os._exit(0)
    _wait_for((tmp_path / "here").exists)
    mark = f"{jobs.WORK}/{job}-"
    assert _named(mark)
    os.kill(job, 9)
    os.waitpid(job, 0)
    _wait_for(lambda: not _named(mark))


def _wait_for(condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("waited for 30 s in vain")


def test_run_end_of_one_target_leaves_no_orphan_to_the_others(run, web):
    """What one target's tests forgot has ended when the next target's run begins."""
    mark = f"time.sleep(602.{os.getpid()})"
    source = f"""
    import os, pathlib, subprocess, sys
    SLEEP = [sys.executable, "-c", "import time; {mark}"]
    def _sleepers():
        commands = pathlib.Path("/proc").glob("[0-9]*/cmdline")
        return [path for path in commands if b"{mark}" in path.read_bytes()]
    def test_forgets():
        assert os.environ["HOME"] == os.environ["TMPDIR"] == os.getcwd()
        assert not _sleepers()
        subprocess.Popen(SLEEP, start_new_session=True)
    """
    alone = [{**web, "name": f"web{number}"} for number in range(3)]
    with _one_at_a_time():
        answer = run(alone, source)
    assert answer["ok"] is True, answer
    assert _named(mark) == []


def test_run_that_kills_all_it_can_does_not_pass_nor_hang(run, web):
    """A suite that ends its helpers has proved nothing, and the job goes on."""
    answer = run([web], "import os\ndef test_kills():\n    os.kill(-1, 9)\n")
    assert answer["targets"]["web1"]["state"] == "error"


def test_run_without_pytest_says_what_python_said(run, bundle, web):
    """A bundle that cannot start pytest is an error with its words for each target."""
    (bundle / "bin" / "python").write_text("#!/bin/sh\necho no pytest here\nexit 3\n")
    answer = run([web, {**web, "name": "web2"}])
    assert {entry["state"] for entry in answer["targets"].values()} == {"error"}
    for entry in answer["targets"].values():
        assert "no pytest here" in entry["failures"][0]["why"]


def test_run_that_digs_deep_harms_nobody(run, web):
    """Folders too deep to be walked through are removed, and lose no verdict."""
    source = """
    import os
    def test_digs():
        for _ in range(3000):
            os.mkdir("d")
            os.chdir("d")
    """
    assert run([web], source)["ok"] is True
    assert [path for path in jobs.WORK.iterdir() if str(os.getpid()) in path.name] == []


def test_run_whose_results_are_nonsense_fails_alone(run, web):
    """One target's results that cannot be read are an error of that target."""
    source = """
    import os, pathlib
    def test_writes(app):
        if os.getcwd().endswith("web1"):
            pathlib.Path("results.jsonl").write_text('{"event": "test"}')
            os._exit(0)
    """
    targets = run([web, {**web, "name": "report"}], source)["targets"]
    assert {name: entry["state"] for name, entry in targets.items()} == {
        "web1": "error", "report": "passed",
    }  # fmt: skip


def test_run_is_not_read_by_other_services(run, web, bundle):
    """While a suite runs, nobody else may read what it prints, nor ask for runs."""
    source = """
    import os, pathlib
    def test_looks():
        work = pathlib.Path.cwd().parent
        for path in work.iterdir():
            if path.is_file() or path.is_socket():
                mine = path.name in ("pytest.ini",)
                assert mine or not path.stat().st_mode & 0o077, path
    """
    assert run([web], source)["ok"] is True


def test_run_imports_what_it_finds_beside_it(run, web):
    """A module that a test writes into its folder can be imported, as by pytest."""
    source = """
    import pathlib
    def test_imports():
        pathlib.Path("written_here.py").write_text("VALUE = 7")
        import written_here
        assert written_here.VALUE == 7
    """
    assert run([web], source)["ok"] is True


def test_run_deadline_holds_also_where_python_hangs(run, bundle, web):
    """A bundle whose Python never begins is a timeout, soon after the deadline."""
    (bundle / "bin" / "python").write_text("#!/bin/sh\nexec sleep 600\n")
    assert run([web], deadline_s=2)["targets"]["web1"]["state"] == "timeout"


@contextlib.contextmanager
def _one_at_a_time():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "_AT_ONCE", 1)
        yield
