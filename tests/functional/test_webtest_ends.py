"""Suites end with their run: no process outlives it."""

# ruff: noqa: F401, F811 -- fixtures come by name

import os
import sys
import time
from pathlib import Path

import pytest
from tester import COMMIT, PACK, bundle, given, loaded, run, web


def _alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


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
        "import os, time\n"
        "def test_hangs():\n"
        f"    open({str(tmp_path / 'pid.new')!r}, 'w').write(str(os.getpid()))\n"
        f"    os.rename({str(tmp_path / 'pid.new')!r}, {str(tmp_path / 'pid')!r})\n"
        "    time.sleep(600)\n"
    )
    job = os.fork()
    if not job:
        sys.path.insert(0, str(PACK / "_utils"))
        from holodeck_tester import invocation, session  # noqa: PLC0415

        argv = invocation.argv(
            bundle / "bin" / "python",
            web,
            [bundle / "suite"],
            results=tmp_path / "r.jsonl",
            root=bundle / "suite",
            ini="/dev/null",
        )
        env = invocation.environment(
            library=PACK / "_utils",
            home=tmp_path,
            commit=COMMIT,
            run_id="killed",
            settings={},
        )
        log = tmp_path / "log"
        session.run(argv, env=env, cwd=tmp_path, log=log, seconds=120)
        os._exit(0)
    _wait_for((tmp_path / "pid").exists)
    os.kill(job, 9)
    os.waitpid(job, 0)
    pid = (tmp_path / "pid").read_text()
    _wait_for(lambda: not _alive(pid))


def _wait_for(condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("waited for 30 s in vain")
