"""The pytest plugin, in-process and against a live server."""

import json
import os
from pathlib import Path

import pytest
from web_server import serving

from holodeck_http import results

pytest_plugins = ["pytester"]

_UTILS = Path(__file__).parents[2] / "_utils"
_SERVICE = '''
"""A tiny service that remembers how often it was written to."""
import json

WRITES = []

def app(environ, start_response):
    if environ["REQUEST_METHOD"] == "POST":
        WRITES.append(environ["PATH_INFO"])
    body = json.dumps({"writes": len(WRITES), "host": environ["HTTP_HOST"]}).encode()
    kind = ("Content-Type", "application/json")
    start_response("200 OK", [kind, ("Content-Length", str(len(body)))])
    return [body]
'''


@pytest.fixture
def suite(pytester, monkeypatch):
    """A folder with the tiny service, and a function that runs pytest in it."""
    monkeypatch.setenv("PYTHONPATH", f"{_UTILS}{os.pathsep}{pytester.path}")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(service=_SERVICE)
    pytester.makeini("[pytest]\nhttp_app = service:app\naddopts = --strict-markers")

    def run(*arguments):
        return pytester.runpytest_subprocess("-p", "holodeck_http.plugin", *arguments)

    return run


@pytest.fixture
def live():
    """The tiny service behind a real port; yields its URL and its writes."""
    service = {}
    exec(_SERVICE, service)
    with serving(service["app"]) as server:
        server.writes = service["WRITES"]
        yield server


def _outcomes(path):
    run = results.parse(Path(path).read_text())
    return {test["id"].split("::")[-1]: test["outcome"] for test in run["tests"]}


def test_app_in_process(suite, pytester):
    """Without options the application named in the ini is tested in-process."""
    pytester.makepyfile(
        test_it="""
        def test_get(app):
            assert app.get("/").json == {"writes": 0, "host": "localhost:80"}
        def test_post(app):
            app.post("/")
        """
    )
    suite().assert_outcomes(passed=2)


def test_app_live(suite, pytester, live):
    """With a target the same file tests it, under the given Host."""
    pytester.makepyfile(
        test_it="""
        def test_get(app):
            assert app.get("/").json["host"] == "www.example.org"
        """
    )
    result = suite("--http-target", live.url, "--http-host", "www.example.org")
    result.assert_outcomes(passed=1)


def test_app_without_application_says_what_to_do(suite, pytester):
    """No application and no target: the error names the options."""
    pytester.makeini("[pytest]")
    pytester.makepyfile(test_it="def test_get(app): pass")
    result = suite()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*give --http-app or --http-target*"])


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "http://h/path", "127.0.0.1:80"])
def test_target_unusable_stops_the_run(suite, pytester, url):
    """A wrong target is a usage error, not hundreds of failed tests."""
    pytester.makepyfile(test_it="def test_get(app): pass")
    assert suite("--http-target", url).ret == pytest.ExitCode.USAGE_ERROR


_MARKED = """
import pytest

@pytest.mark.writes
def test_writes(app):
    app.post("/")

@pytest.mark.harmless
def test_harmless(app):
    app.post("/")

def test_unmarked(app):
    app.post("/")

def test_reads(app):
    app.get("/")

@pytest.mark.smoke
@pytest.mark.host_only
def test_host(app):
    app.get("/")

@pytest.mark.lb_only
def test_lb(app):
    app.get("/")
"""


@pytest.mark.parametrize(
    ("options", "skipped"),
    [
        ([], {"test_writes", "test_unmarked", "test_lb"}),
        (["--http-allow-writes"], {"test_lb"}),
        (
            ["--http-kind", "balancer"],
            {"test_writes", "test_unmarked", "test_host"},
        ),
    ],
)
def test_markers_choose_what_runs_live(suite, pytester, live, options, skipped):
    """Read-only is the default; kinds get only the tests that fit them."""
    pytester.makepyfile(test_it=_MARKED)
    suite("--http-target", live.url, "--http-results", "r.jsonl", *options)
    found = _outcomes(pytester.path / "r.jsonl")
    assert {name for name, outcome in found.items() if outcome == "skipped"} == skipped
    assert set(found.values()) == {"passed", "skipped"}


def test_markers_read_only_target_receives_no_write(suite, pytester, live):
    """On a read-only target a forgotten marker costs a skip, not a write."""
    pytester.makepyfile(
        test_it="""
        def test_forgot(app):
            app.post_json("/", {})
        def test_by_hand(app):
            app.request("/", method="POST")
        """
    )
    suite("--http-target", live.url).assert_outcomes(skipped=2)
    assert live.writes == []


def test_markers_in_process_run_all_but_lb_only(suite, pytester):
    """In-process writes are harmless, and there is no balancer."""
    pytester.makepyfile(test_it=_MARKED)
    suite().assert_outcomes(passed=5, skipped=1)


def test_app_is_fresh_for_each_test(suite, pytester):
    """Cookies of one test never reach the next."""
    pytester.makepyfile(
        test_it="""
        def test_sets(app):
            app.set_cookie("a", "1")
        def test_has_none(app):
            assert not app.cookies
        """
    )
    suite().assert_outcomes(passed=2)


def test_results_survive_a_kill(suite, pytester):
    """After SIGKILL the file still tells what passed and what was running."""
    pytester.makepyfile(
        test_it="""
        import os, signal
        def test_first(app):
            app.get("/")
        def test_dies():
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    suite("--http-results", "r.jsonl")
    run = results.parse((pytester.path / "r.jsonl").read_text())
    assert run["collected"] == 2
    assert [test["outcome"] for test in run["tests"]] == ["passed"]
    assert run["running"].endswith("test_dies")
    assert results.judge(run, exit_status=-9)["state"] == "error"


def test_results_tell_each_outcome(suite, pytester):
    """Failures, errors of fixtures and skips are told apart, with reasons."""
    pytester.makepyfile(
        test_it="""
        import pytest
        @pytest.fixture
        def broken(): raise OSError("no such thing")
        @pytest.fixture
        def leaves():
            yield
            raise OSError("left a mess")
        def test_passes(): pass
        def test_fails(): assert 1 == 2
        def test_setup(broken): pass
        def test_teardown(leaves): pass
        def test_skips(): pytest.skip("not today")
        @pytest.mark.xfail
        def test_expected(): assert False
        """
    )
    suite("--http-results", "r.jsonl")
    lines = (pytester.path / "r.jsonl").read_text().splitlines()
    first = json.loads(lines[0])
    assert (first["event"], first["count"], first["total"]) == ("collected", 6, 6)
    assert len(first["digest"]) == 64
    assert json.loads(lines[-1])["event"] == "finished"
    assert _outcomes(pytester.path / "r.jsonl") == {
        "test_passes": "passed",
        "test_fails": "failed",
        "test_setup": "error",
        "test_teardown": "error",
        "test_skips": "skipped",
        "test_expected": "skipped",
    }
    text = "".join(lines)
    for why in ("assert 1 == 2", "no such thing", "left a mess", "not today"):
        assert why in text


def test_results_of_a_suite_that_cannot_be_imported(suite, pytester):
    """A syntax error is a failure with its reason."""
    pytester.makepyfile(test_it="import nothing_of_this_name")
    result = suite("--http-results", "r.jsonl")
    run = results.parse((pytester.path / "r.jsonl").read_text())
    entry = results.judge(run, exit_status=result.ret)
    assert entry["state"] == "failed"
    assert "nothing_of_this_name" in entry["failures"][0]["why"]


def test_smoke_goes_first_and_decides(suite, pytester, live):
    """On a live target smoke tests run first; one that fails ends the run."""
    pytester.makepyfile(
        test_it="""
        import pytest
        def test_slow(app): app.get("/")
        @pytest.mark.smoke
        def test_good(app): app.get("/")
        @pytest.mark.smoke
        def test_bad(app): app.get("/", status=500)
        def test_later(app): app.get("/")
        """
    )
    result = suite("--http-target", live.url, "--http-results", "r.jsonl")
    run = results.parse((pytester.path / "r.jsonl").read_text())
    names = [test["id"].split("::")[1] for test in run["tests"]]
    assert names == ["test_good", "test_bad"]
    entry = results.judge(run, exit_status=result.ret)
    assert entry["state"] == "failed"
    assert "a smoke test failed; 2 tests were not run" in entry["failures"][-1]["why"]
    # In-process the order of the files stays, and nothing is left out.
    suite().assert_outcomes(passed=3, failed=1)


def test_part_is_checked(suite, pytester):
    """A part that cannot be is a usage error."""
    pytester.makepyfile(test_it="def test_get(app): pass")
    assert suite("--http-part", "2/2").ret == pytest.ExitCode.USAGE_ERROR


def test_results_dead_target_gives_up_early(suite, pytester):
    """A dead host is unreachable after three tests, whatever they expect."""
    pytester.makepyfile(
        test_it="""
        import pytest
        @pytest.mark.parametrize("number", range(20))
        def test_expects_bad_gateway(app, number):
            app.get("/", status=502)
        """
    )
    result = suite("--http-target", "http://127.0.0.1:1", "--http-results", "r.jsonl")
    run = results.parse((pytester.path / "r.jsonl").read_text())
    assert results.judge(run, exit_status=result.ret)["state"] == "unreachable"
    assert len(run["tests"]) == 3


def test_checks_are_tests(suite, pytester, live):
    """Checks from a file pass, fail with is and should be, and obey marks."""
    pytester.path.joinpath("basic.checks.json").write_text(
        json.dumps(
            [
                {"path": "/", "json": {"writes": 0}, "marks": ["smoke"]},
                {"path": "/", "status": 404, "contains": "sorry"},
                {"path": "/", "method": "POST"},
                {"path": "/", "marks": ["lb_only"]},
            ]
        )
    )
    result = suite("--http-target", live.url, "basic.checks.json", "-rs")
    result.assert_outcomes(passed=1, failed=1, skipped=2)
    result.stdout.fnmatch_lines(["GET /: status: is 200, should be 404; body: does *"])


def test_checks_run_in_process_too(suite, pytester):
    """A laptop needs no server for checks either."""
    pytester.path.joinpath("basic.checks.json").write_text('[{"path": "/"}]')
    suite().assert_outcomes(passed=1)


def test_checks_faulty_file_is_an_error(suite, pytester):
    """A misspelt check stops the run; it is not left out."""
    pytester.path.joinpath("basic.checks.json").write_text('[{"paht": "/"}]')
    result = suite()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*checks/0/paht: is unknown*"])


def test_checks_faulty_query_is_an_error(suite, pytester, live):
    """A query that is no JSONPath stops the run, and names its check."""
    checks = [{"path": "/", "name": "writes", "json": {"$.writes[": 0}}]
    pytester.path.joinpath("basic.checks.json").write_text(json.dumps(checks))
    result = suite("--http-target", live.url)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*writes: json $.writes[[]: is no JSONPath (*"])
