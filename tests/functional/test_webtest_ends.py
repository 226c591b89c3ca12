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


def test_run_deadline_leaves_no_orphan(run, web, tmp_path):
    """At the deadline the run dies with its children, fled ones too."""
    source = f"""
    import os, subprocess, sys, time
    SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
    def test_before(app):
        app.get("/")
    def test_hangs():
        children = [os.getpid()]
        children.append(subprocess.Popen(SLEEP).pid)
        children.append(subprocess.Popen(SLEEP, start_new_session=True).pid)
        with open({str(tmp_path / "pids")!r}, "w") as file:
            file.write(" ".join(map(str, children)))
        time.sleep(600)
    """
    answer = run([web], source, deadline_s=10)
    entry = answer["targets"]["web1"]
    assert entry["state"] == "timeout"
    assert entry["counts"]["passed"] == 1
    assert entry["failures"][0]["id"] == "test_it.py::test_hangs"
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) == 3
    assert not [pid for pid in pids if _alive(pid)]


def test_run_end_leaves_no_orphan(run, web, tmp_path):
    """A daemon that a passing test forgot is ended too."""
    source = f"""
    import subprocess, sys
    SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
    def test_forgets():
        child = subprocess.Popen(SLEEP, start_new_session=True)
        with open({str(tmp_path / "pid")!r}, "w") as file:
            file.write(str(child.pid))
    """
    assert run([web], source)["ok"] is True
    assert not _alive((tmp_path / "pid").read_text())


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
