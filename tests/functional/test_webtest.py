"""The execution module through Salt's own loader, with real processes."""

# ruff: noqa: F401, F811 -- fixtures come by name

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from salt.exceptions import SaltInvocationError
from tester import COMMIT, PACK, SUITE, bundle, given, loaded, run, target, web
from web_server import serving

import holodeck_http
from holodeck_http import results, verdict
from holodeck_io import files
from holodeck_io.errors import HolodeckError
from holodeck_tester import jobs, library


def test_run_good_target_is_ok(run, web):
    """All tests pass: ok, with counts that add up and the commit passed on."""
    answer = run([web])
    assert answer["ok"] is True
    assert answer["targets"]["web1"]["counts"]["passed"] == 2
    assert verdict.joined({"t1": [web]}, {"t1": answer}, {})["faults"] == []


def test_run_keeps_a_full_report(run, web):
    """The report's path and digest lead to each test's line."""
    answer = run([web])
    report = Path(answer["report"])
    assert answer["sha256"] == files.sha256_file(report)
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert lines[0] == {"event": "target", "name": "web1", "state": "passed"}
    assert {line["id"] for line in lines if line["event"] == "test"} == {
        "test_it.py::test_home",
        "test_it.py::test_commit",
    }
    assert report.parents[1].name == COMMIT


def test_run_leaves_the_bundle_as_it_was(run, web, bundle):
    """A run writes nothing into an immutable bundle."""
    run([web])
    before = files.tree_digest(bundle)
    run([web])
    assert files.tree_digest(bundle) == before


def test_run_parts_make_a_whole(run, web, bundle):
    """Two testers that share a target run each file once, and prove it together."""
    for number in range(4):
        file = bundle / "suite" / f"test_{number}.py"
        file.write_text("def test_a(app): pass\ndef test_b(app): app.get('/')\n")
    dealt = {f"t{n}": [{**web, "part": [n, 2]}] for n in range(2)}
    answers = {tester: run(targets) for tester, targets in dealt.items()}
    found = verdict.joined(dealt, answers, {})
    assert found["faults"] == []
    assert found["rows"]["web1"]["counts"]["passed"] == 10
    ran = [set(answer["matrix"]["ids"]) for answer in answers.values()]
    assert not ran[0] & ran[1]
    assert len(ran[0] | ran[1]) == 10


def test_run_part_that_is_empty_is_no_failure(run, web):
    """A suite of one file leaves nothing for the second tester."""
    dealt = {f"t{n}": [{**web, "part": [n, 2]}] for n in range(2)}
    answers = {tester: run(targets) for tester, targets in dealt.items()}
    assert verdict.joined(dealt, answers, {})["faults"] == []


def test_run_gives_secrets_to_the_suite_alone(run, web, given):
    """A suite logs in with what pillar has; no report, reason or curl line shows it."""
    given["PASSWORD"] = "correct horse"
    source = """
    import os
    def test_no(app):
        app.post("/login", {"password": os.environ["PASSWORD"]}, status=403)
    def test_also(app):
        raise ValueError("no " + os.environ["PASSWORD"])
    """
    answer = run([web], source, allow_writes=True)
    assert answer["targets"]["web1"]["counts"]["failed"] == 2
    assert "no ******" in json.dumps(answer)
    for path in Path(answer["report"]).parent.iterdir():
        assert "horse" not in path.read_text()
    assert "horse" not in json.dumps(answer)


def test_run_as_a_user_of_its_own(run, web):
    """A suite is no root, gains nothing by a set-uid program, and sees nobody else."""
    source = """
    import os
    def test_who():
        assert os.getuid() > 1_900_000_000
        assert os.getgroups() in ([], [os.getgid()])
        assert "NoNewPrivs:\\t1" in open("/proc/self/status").read()
        open("here", "w").close()
        assert len([name for name in os.listdir("/proc") if name.isdigit()]) < 5
    """
    entry = run([web], source)["targets"]["web1"]
    assert entry["state"] == "passed", entry["failures"]


@pytest.mark.parametrize("trick", ["os.symlink(SECRET, place)", "os.mkfifo(place)"])
def test_run_follows_nothing_that_a_suite_put_there(run, web, tmp_path, trick):
    """What root reads after a suite is a plain file, or nothing."""
    secret = tmp_path / "secret"
    secret.write_text('{"event": "collected", "count": 1}\n')
    secret.chmod(0o600)
    trick = trick.replace("SECRET", repr(str(secret)))
    source = f"""
    import os
    def test_trick(app, request):
        app.get("/")
        place = request.config.getoption("--http-results")
        os.unlink(place)
        {trick}
    """
    entry = run([web], source)["targets"]["web1"]
    assert entry["state"] == "error"
    assert entry["counts"]["collected"] == 0


def test_run_ends_what_fled_without_a_name(run, web, tmp_path):
    """A daemon with an environment and a session of its own is ended too."""
    source = f"""
    import subprocess
    def test_flees(app):
        app.get("/")
        file = open({str(tmp_path / "alive")!r}, "w")
        subprocess.Popen(
            ["/bin/sh", "-c", "while :; do echo x; sleep 0.1; done"],
            env={{}}, start_new_session=True, stdout=file,
        )
    """
    assert run([web], source)["ok"] is True
    size = (tmp_path / "alive").stat().st_size
    time.sleep(0.5)
    assert (tmp_path / "alive").stat().st_size == size


def test_run_shows_no_secret_however_it_is_written(run, web, given):
    """Quotes, lines, URLs, headers and shortened values give nothing away."""
    pem = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----"
    given |= {
        "QUOTED": 'pass"wo\\rd', "ACCENT": "gehäuse-7", "APO": "it's-hushed",
        "PEM": pem, "LONG": "".join(chr(97 + n * 7 % 26) for n in range(400)),
        "BASIC": "correcthorse",
    }  # fmt: skip
    source = """
    import os, pytest
    KEYS = ("QUOTED", "ACCENT", "APO", "PEM", "LONG")
    @pytest.mark.parametrize("key", KEYS)
    def test_shows(app, key):
        value = os.environ[key]
        app.post("/", {"value": value}, status=200)
        assert [value] == [key]
    def test_header(app):
        app.authorization = ("Basic", ("bob", os.environ["BASIC"]))
        app.get("/", status=201)
    """
    answer = run([web], source, allow_writes=True)
    assert answer["targets"]["web1"]["counts"]["failed"] == 6
    kept = [file.read_text() for file in Path(answer["report"]).parent.iterdir()]
    told = json.dumps(answer, ensure_ascii=False) + "".join(kept)
    for hidden in (
        "rd'", "gehäuse", "geh\\u00e4use", "s-hushed", "MIIEvQIBADANBg", "Ym9iOm",
        "kqhkiG9w0BAQEF", given["LONG"][:20], given["LONG"][-20:],
    ):  # fmt: skip
        assert hidden not in told


def test_run_without_a_word_is_no_pass(run, web, bundle):
    """A test that a plugin of the suite's runs in its own way has proved nothing."""
    (bundle / "suite" / "conftest.py").write_text(
        textwrap.dedent("""
        from _pytest.runner import runtestprotocol
        def pytest_runtest_protocol(item, nextitem):
            say, place = item.ihook, {"nodeid": item.nodeid, "location": item.location}
            say.pytest_runtest_logstart(**place)
            runtestprotocol(item, nextitem=nextitem, log=False)
            say.pytest_runtest_logfinish(**place)
            return True
        """)
    )
    assert run([web], "def test_no(): assert False")["ok"] is False


def test_run_test_that_swallows_its_deadline_has_failed(run, web):
    """A bare except does not turn a hang into a pass."""
    source = """
    import time
    def test_hangs(app):
        app.get("/")
        try:
            time.sleep(60)
        except:
            pass
    """
    assert run([web], source, test_s=1)["targets"]["web1"]["state"] == "failed"


def test_run_parts_of_different_suites_are_no_whole(run, web, bundle, given):
    """Two testers that collect differently have not shared one suite."""
    for name in ("aa", "bb"):
        (bundle / "suite" / f"test_{name}.py").write_text(
            "import os, pytest\n"
            f"@pytest.mark.parametrize('n', range(int(os.environ['{name.upper()}'])))\n"
            f"def test_it(n): assert {name == 'aa'}\n"
        )
    dealt = {f"t{n}": [{**web, "part": [n, 2]}] for n in range(2)}
    answers = {}
    for tester, sizes in (("t0", {"AA": 3, "BB": 2}), ("t1", {"AA": 2, "BB": 3})):
        given |= sizes
        answers[tester] = run(dealt[tester], None)
    assert verdict.joined(dealt, answers, {})["faults"] != []


def test_run_reads_a_copy_of_what_only_root_may(tmp_path, monkeypatch):
    """Salt syncs the pack for root alone; a suite gets a copy that it may read."""
    synced = tmp_path / "extmods" / "holodeck_http"
    synced.mkdir(parents=True, mode=0o700)
    (synced / "__init__.py").touch(mode=0o600)
    monkeypatch.setattr(holodeck_http, "__file__", str(synced / "__init__.py"))
    monkeypatch.setattr(library, "HOME", tmp_path / "library")
    place = library.readable(sys.executable)
    paths = list(place.rglob("*"))
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o755, 0o644}
    # Compiled, and the same one for the next run; another one for another pack.
    assert [path.suffix for path in paths if path.is_file()].count(".pyc") == 1
    assert library.readable(sys.executable) == place
    (synced / "__init__.py").write_text("other = 1")
    assert library.readable(sys.executable) != place
    assert len(list(library.HOME.iterdir())) == 2


def test_run_under_a_strict_umask(run, web, tmp_path, monkeypatch):
    """Where root's files are root's alone, a suite reads what it needs."""
    assert run([web])["ok"] is True
    monkeypatch.setattr(jobs, "WORK", tmp_path / "strict" / "webtest")
    monkeypatch.setattr(library, "HOME", tmp_path / "strict" / "library")
    before = os.umask(0o077)
    try:
        answer = run([web], None, checks=[{"path": "/"}])
    finally:
        os.umask(before)
    assert answer["ok"] is True, answer


def test_run_slow_test_leaves_the_others_their_turn(run, web):
    """One test that hangs fails by itself, long before the run's deadline."""
    source = """
    import time
    def test_hangs(): time.sleep(60)
    def test_after(app): app.get("/")
    """
    entry = run([web], source, test_s=1)["targets"]["web1"]
    assert (entry["counts"]["failed"], entry["counts"]["passed"]) == (1, 1)
    assert entry["failures"][0]["why"].endswith("did not end within 1 s")


def test_run_failed_request_can_be_sent_again(run, web):
    """A failure carries the curl line that shows it once more."""
    source = """
    def test_no(app):
        app.post_json("/a%20b?c=d", {"e": "it's"}, status=201)
    """
    answer = run([web], source, allow_writes=True)
    [failure] = answer["targets"]["web1"]["failures"]
    done = subprocess.run(
        failure["curl"], shell=True, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[0].split()[1] == "200"
    assert done.stdout.endswith("hello")
    assert failure["curl"].startswith("curl -sS -i -X POST")


def test_run_waits_until_the_target_is_ready(run, web):
    """No test runs before the target answers, and one that never does is named."""
    assert run([web], ready="/")["ok"] is True
    entry = run([target("web1", 1)], ready="/", ready_s=1)["targets"]["web1"]
    assert entry["state"] == "unreachable"
    [failure] = entry["failures"]
    assert failure["id"] == "ready"
    assert "GET /: not within 1 s" in failure["why"]
    assert "refused" in failure["why"]


def test_run_waits_for_the_commit(run):
    """A target that says it runs another commit is not tested in its place."""

    def old(environ, start_response):
        start_response("200 OK", [("X-Holodeck-Commit", "0" * 40)])
        return [b"hello"]

    with serving(old) as server:
        answer = run([target("web1", server.server_port)], ready="/", ready_s=1)
    assert answer["ok"] is False
    assert answer["targets"]["web1"]["counts"]["passed"] == 0


def test_run_tells_how_long_requests_took(run, web):
    """Percentiles come with each target, and each test's time in the matrix."""
    answer = run([web], "def test_one(app): [app.get('/') for _ in range(20)]")
    http = answer["targets"]["web1"]["http"]
    assert http["n"] == 20
    assert 0 < http["p50"] <= http["p95"] <= http["max"]
    assert answer["matrix"]["ids"] == ["test_it.py::test_one"]
    assert answer["matrix"]["rows"]["web1"]["outcomes"] == "P"


def test_run_ignores_the_minions_environment(run, web, monkeypatch):
    """Proxies, WebTest's switch and pytest's options of the minion do not matter."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("WEBTEST_TARGET_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    assert run([web])["ok"] is True


def test_run_ignores_the_suites_own_pytest_options(run, web, bundle):
    """Options meant for laptops neither break a run nor empty it."""
    (bundle / "suite" / "pytest.ini").write_text("[pytest]\naddopts = --cov -k none\n")
    assert run([web])["targets"]["web1"]["counts"]["passed"] == 2


def test_run_dead_host_is_unreachable(run, web):
    """A dead host fails though its tests expect a 502; the others' results stay."""
    source = """
    import pytest
    @pytest.mark.parametrize("number", range(9))
    def test_any(app, number):
        app.get("/", status=[200, 502])
    """
    answer = run([web, target("dead", 1)], source)
    assert answer["ok"] is False
    assert answer["targets"]["web1"]["state"] == "passed"
    assert answer["targets"]["dead"]["state"] == "unreachable"
    assert "refused" in answer["targets"]["dead"]["failures"][0]["why"]


def test_run_failed_test_gives_its_reason(run, web):
    """A failure comes back with id and reason."""
    answer = run([web], "def test_no(app): assert app.get('/').text == 'bye'")
    (failure,) = answer["targets"]["web1"]["failures"]
    assert answer["targets"]["web1"]["state"] == "failed"
    assert failure["id"] == "test_it.py::test_no"
    assert "bye" in failure["why"]


@pytest.mark.parametrize(
    ("source", "state"),
    [
        ("", "no-tests"),
        ("def helper(): pass", "no-tests"),
        ("import pytest\n@pytest.mark.writes\ndef test_w(app): pass", "no-tests"),
        ("import nothing_of_this_name", "failed"),
        ("import os\nos._exit(0)", "error"),
        ("import os\ndef test_exits(): os._exit(0)", "error"),
        ("import pytest\ndef test_ends(): pytest.exit('enough', 0)", "error"),
    ],
)
def test_run_that_proves_nothing_is_not_ok(run, web, source, state):
    """Nothing collected, all skipped, or an early end with status 0: not ok."""
    answer = run([web], source)
    assert answer["ok"] is False
    assert answer["targets"]["web1"]["state"] == state
    assert answer["targets"]["web1"]["failures"][0]["why"]


def test_run_deadline_names_targets_that_never_ran(run, web):
    """What did not get its turn is not-run, so the whole is not ok."""
    hang = "import time\ndef test_hangs(): time.sleep(600)"
    # More than one tester takes at once, however fast it is.
    targets = [{**web, "name": f"web{number}"} for number in range(20)]
    answer = run(targets, hang, deadline_s=3)
    states = {entry["state"] for entry in answer["targets"].values()}
    assert len(answer["targets"]) == 20
    assert states == {"timeout", "not-run"}


def test_run_huge_failures_stay_below_the_limit(run, web):
    """Thousands of long failures come back capped, the report keeps them."""
    source = """
    import pytest
    @pytest.mark.parametrize("number", range(800))
    def test_no(number):
        pytest.fail("x" * 5000, pytrace=False)
    """
    answer = run([web], source)
    assert len(json.dumps(answer)) <= results.LIMIT_BYTES
    assert answer["truncated"] is True
    assert answer["targets"]["web1"]["counts"]["failed"] == 800
    assert Path(answer["report"]).stat().st_size > results.LIMIT_BYTES


def test_run_checks_without_a_suite(run, web, bundle):
    """A service without a suite is tested by checks alone."""
    (bundle / "suite").rmdir()
    checks = [{"path": "/", "contains": "hello"}, {"path": "/", "status": 404}]
    answer = run([web], None, checks=checks)
    (failure,) = answer["targets"]["web1"]["failures"]
    assert failure["id"] == "pillar.checks.json::GET / (2)"
    assert answer["targets"]["web1"]["counts"]["passed"] == 1


def test_run_checks_query_json(run):
    """A check looks into an answer by JSONPath, and says what it found there."""
    jobs = [{"name": "a", "state": "done"}, {"name": "b", "state": "stuck"}]
    kind = ("Content-Type", "application/json")

    def app(environ, start_response):
        start_response("200 OK", [kind])
        return [json.dumps({"jobs": jobs}).encode()]

    checks = [
        {"path": "/", "json": {"$.jobs[?@.state == 'done'].name": "a"}},
        {"path": "/", "json": {"$.jobs[*].state": ["done", "done"]}},
    ]
    with serving(app) as server:
        answer = run([target("web1", server.server_port)], None, checks=checks)
    entry = answer["targets"]["web1"]
    assert entry["counts"]["passed"] == 1
    [failure] = entry["failures"]
    assert "$.jobs[*].state: is ['done', 'stuck'], should be" in failure["why"]


def test_run_suite_and_checks_together(run, web):
    """Checks from pillar add to the suite, under stable ids."""
    answer = run([web], checks=[{"path": "/"}])
    assert answer["ok"] is True
    assert answer["targets"]["web1"]["counts"]["passed"] == 3
    assert "/tmp" not in Path(answer["report"]).read_text()


def test_run_old_reports_are_pruned(run, web, tmp_path):
    """The newest reports stay; the disk does not fill up."""
    for number in range(120):
        (tmp_path / "reports" / "guestbook" / "c0" / f"1999-{number:03}").mkdir(
            parents=True
        )
    answer = run([web])
    left = sorted(path.name for path in (tmp_path / "reports/guestbook").glob("*/*"))
    assert left[0] == "1999-021"
    assert left[-1] == Path(answer["report"]).parent.name


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"name": "../etc"}, "name: '../etc'"),
        ({"commit": "main"}, "commit: 'main' should be a full commit id"),
        ({"targets": []}, "targets: should be a list"),
        ({"targets": [{"name": "a"}]}, "targets/0/kind"),
        ({"checks": [{"paht": "/"}]}, "checks/0/paht: is unknown"),
        ({"deadline_s": 0}, "deadline_s: 0 should be more than 0"),
        ({"deadline_s": "5m"}, "deadline_s: '5m'"),
        ({"suite": "../../etc"}, "suite: '../../etc' should be a relative path"),
    ],
)
def test_run_bad_input_is_refused(loaded, change, match):
    """Wrong arguments name the value and the rule before anything runs."""
    arguments = {
        "name": "guestbook",
        "commit": COMMIT,
        "targets": [target("web1", 80)],
        **change,
    }
    with pytest.raises(SaltInvocationError, match=match):
        loaded["webtest.run"](**arguments)


def test_run_all_faults_are_shown_at_once(loaded):
    """One answer lists every fault."""
    with pytest.raises(SaltInvocationError, match=r"(?s)name:.*commit:.*targets:"):
        loaded["webtest.run"]("", "", None)


def test_run_missing_bundle_says_what_to_do(run, web, tmp_path):
    """Without the tester's bundle the error names bundle.install."""
    with pytest.raises(HolodeckError, match=r"bundle\.install"):
        run([web], None, bundle=str(tmp_path / "nothing"))


def test_run_missing_suite_says_what_to_do(run, web):
    """A suite that is not in the bundle is an error, never an empty pass."""
    with pytest.raises(HolodeckError, match="does not exist; give the suite's path"):
        run([web], None, suite="tests/http", checks=[{"path": "/"}])
