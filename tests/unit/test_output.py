"""What people read: each answer of the runner as text."""

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

_FILE = Path(__file__).parents[2] / "_output" / "holodeck.py"
_COMMIT = "4f2c1e9d0a1b5c7788990011223344556677aabb"


@pytest.fixture(scope="module")
def output():
    """The outputter, loaded as Salt does: a file by itself."""
    spec = importlib.util.spec_from_file_location("holodeck_output", _FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.output


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch):
    """A terminal as wide as most, whatever the tests run in."""
    monkeypatch.setenv("COLUMNS", "80")


def _record(**changes):
    return {
        "id": "guestbook-demo-7", "number": 7, "service": "guestbook",
        "environment": "demo", "kind": "release", "status": "good", "commit": _COMMIT,
        "started": "2026-01-01T10:00:00Z", "ended": "2026-01-01T10:01:00Z",
        "phases": [{"name": "stage", "seconds": 1.5},
                   {"name": "rollout", "seconds": 20}],
        **changes,
    }  # fmt: skip


def _row(**changes):
    return {"host": "demo-web1", "commit": _COMMIT, "rotation": ["UP", "UP"],
            "drift": [], **changes}  # fmt: skip


def _place(**changes):
    return {"service": "guestbook", "environment": "demo", "release": _record(),
            "newest": None, "hosts": [_row()], **changes}  # fmt: skip


def _plan(**changes):
    return {
        "service": "guestbook", "environment": "demo", "commit": _COMMIT, "from": None,
        "unchanged": False, "commits": [], "configuration": "new", "create": [],
        "settings": {}, "dependencies": None,
        "built": False, "batches": [["a"], ["b", "c"]], "seconds": None, **changes,
    }  # fmt: skip


def _hosts(**changes):
    hosts = {"web": ["demo-web1", "demo-web2"], "tester": ["demo-tester1"]}
    return {"created": [], "hosts": hosts, "scaled": {}, **changes}


_BAD = _record(
    status="bad", reason="The suite did not pass.\nfrom t1, x\nmore",
    back={"demo-web1": "in rotation at 000000000000"},
)  # fmt: skip
_LAYER = {"filename": "a.deb", "size": 9, "sha256": "s" * 64, "tree": "t" * 64}
_ROW = {"state": "passed", "counts": {"passed": 9}, "http": {"p95": 3.5}}
_SUITE = {"rows": {"web1": _ROW, "web2": {**_ROW, "http": None}}}

_ASKED = (
    "guestbook-demo-7 was asked to; `salt-run holodeck.status` shows how it goes on."
)

# kind, value, lines that the text has
_CASES = {
    "error": ("error", "Lock x: is missing.", ["holodeck: Lock x: is missing."]),
    "good": (
        "release", _record(),
        ["guestbook in demo is at 4f2c1e9d0a1b: guestbook-demo-7 is good.",
         "stage 1.5 s, rollout 20 s; 21.5 s in all."],
    ),
    "rolled back": ("release", _record(kind="rollback"), [
        "guestbook in demo is back at 4f2c1e9d0a1b: guestbook-demo-7 is good."]),
    "unchanged": ("release", _record(unchanged=True), [
        "guestbook in demo is already at 4f2c1e9d0a1b (guestbook-demo-7);",
        "  nothing was changed."]),
    "unchanged, told": ("release", _record(unchanged=True, told=["demo-balancer1"]), [
        "guestbook in demo is already at 4f2c1e9d0a1b (guestbook-demo-7);",
        "  only balancers were told: demo-balancer1."]),
    "bad, unserved": (
        "release", {**_BAD, "unserved": {"lb1": "3 of 3 servers are DOWN"}},
        ["  Nobody serves: 3 of 3 servers are DOWN at lb1."]),
    "bad": ("release", _BAD, [
        "guestbook in demo: guestbook-demo-7 is bad: The suite did not pass.",
        "  from t1, x", "  demo-web1 in rotation at 000000000000",
        "  More: salt-run holodeck.report guestbook-demo-7"]),
    "bad before the suite": ("release", {**_BAD, "reason": "No host.\nx"}, [
        "guestbook in demo: guestbook-demo-7 is bad: No host.",
        "  More: salt-run holodeck.show guestbook-demo-7"]),
    "good, its address": ("release", _record(answers=["http://10.77.0.5"]), [
        "  It answers at http://10.77.0.5."]),
    "unchanged, its address": ("release", _record(unchanged=True, answers=["a", "b"]), [
        "  It answers at a, b."]),
    "status, its address": ("status", [_place(answers=["https://shop.example.org"])], [
        "  It answers at https://shop.example.org."]),
    "show where its report is": ("show", _record(report="/x/guestbook-demo-7.html"), [
        "  report     /x/guestbook-demo-7.html"]),
    "bad, untouched": ("release", {**_BAD, "back": {}, "commit": None}, [
        "  No host was switched."]),
    "status": ("status", [_place()], [
        "guestbook in demo: 4f2c1e9d0a1b (guestbook-demo-7, 2026-01-01T10:01:00Z)",
        "  host       commit        rotation  state",
        "  demo-web1  4f2c1e9d0a1b  UP, UP    as released"]),
    "status of nothing": ("status", [], ["Nothing is defined."]),
    "status before": (
        "status", [_place(release=None, hosts=[_row(commit=None, rotation=[])])],
        ["guestbook in demo: no good release yet"]),
    "status, newest bad": ("status", [_place(newest=_BAD)], [
        "  newest: guestbook-demo-7 is bad: The suite did not pass."]),
    "status, drift": ("status", [_place(hosts=[_row(drift=["runs 0", "x"])])], [
        "  demo-web1  4f2c1e9d0a1b  UP, UP    runs 0; x"]),
    "history": ("history", [{**_record(), "seconds": 21.5, "message": "why\nnot"}], [
        "  guestbook-demo-7  good    4f2c1e9d0a1b  2026-01-01 10:00  21.5",
        "    why not"]),
    "no history": ("history", [], ["No release yet."]),
    "show": ("show", _record(bundle={"layers": [_LAYER]}, message="a\nb"), [
        "guestbook-demo-7: release, good", "  message    a", "             b",
        "  bundle     a.deb 9 bytes", f"  sha256     {'s' * 64}",
        f"  tree       {'t' * 64}"]),
    "plan": ("plan", _plan(), [
        "guestbook in demo: nothing -> 4f2c1e9d0a1b", "  build      to be built",
        "  batches    a | b, c"]),
    "plan of nothing new": ("plan", _plan(unchanged=True, seconds=9, built=True), [
        "  result     the same release again; nothing would change",
        "  usually    9 s", "  build      built before"]),
    "plan of changes": ("plan", _plan(
        settings={"settings/GREETING": "changed"},
        dependencies={"flask": ["3.0", "3.1"], "six": [None, "1"]}), [
        "             settings/GREETING: changed",
        "  packages   flask 3.0 -> 3.1", "  packages   six none -> 1"]),
    "good, one failed": ("release", _record(failed={"demo-web2": "is silent"}), [
        "guestbook in demo is at 4f2c1e9d0a1b: guestbook-demo-7 is good.",
        "  demo-web2 failed, is out of rotation: is silent"]),
    "pause": ("pause", _record(), [
        _ASKED]),
    "abort of one that runs": ("abort", _record(status="running"), [
        _ASKED]),
    "abort of a dead one": ("abort", {**_BAD, "status": "aborted"}, [
        "guestbook in demo: guestbook-demo-7 is aborted: The suite did not pass.",
        "  demo-web1 in rotation at 000000000000"]),
    "freeze": ("freeze", {"user": "ann", "since": "today"}, [
        "Frozen by ann: no release until holodeck.unfreeze."]),
    "unfreeze": ("unfreeze", {}, ["Releases are allowed again."]),
    "status, frozen": ("status", [_place(
        frozen={"user": "ann", "since": "today", "message": "an audit"})], [
        "  frozen by ann since today: an audit"]),
    "status, hosts beside": ("status", [_place(
        incoming={"hosts": ["demo-web7"], "release": "g.demo.3"},
        kept={"hosts": ["demo-web1", "demo-web2"], "release": "g.demo.1",
              "until": "2026-01-01T11:00:00Z"})], [
        "  demo-web1  4f2c1e9d0a1b  UP, UP    as released",
        "  to come: demo-web7, of g.demo.3",
        "  kept until 2026-01-01T11:00:00Z: demo-web1, demo-web2, at g.demo.1"]),
    "plan of a replacement": ("plan", _plan(
        batches=[], replaced=["demo-web1", "demo-web2"], destroyed=["demo-web4"]), [
        "  build      to be built", "  replaced   demo-web1, demo-web2",
        "  destroyed  demo-web4"]),
    "good, replaced": ("release", _record(fresh=["demo-web4", "demo-web5"]), [
        "guestbook in demo is at 4f2c1e9d0a1b: guestbook-demo-7 is good.",
        "  demo-web4, demo-web5 took the place of the hosts before."]),
    "status, waiting": ("status", [_place(
        newest=_record(status="running", waiting="paused by ann"))], [
        "  newest: guestbook-demo-7 is running: paused by ann"]),
    "test": ("test", {"hosts": _SUITE, "balancers": {}}, [
        "  target  state   passed  p95", "  web1    passed  9       3.5 ms",
        "  web2    passed  9       -"]),
    "report": ("report", {"html": "/x/a.html", "junit": "/x/a.xml"}, [
        "/x/a.html", "/x/a.xml"]),
    "rollback without a reason": (
        "history", [{**_record(kind="rollback", to="guestbook-demo-5"), "seconds": 1}],
        ["    back to guestbook-demo-5"]),
    "status, newest running": ("status", [_place(newest=_record(status="running"))], [
        "  newest: guestbook-demo-7 is running"]),
    "show a failed host": ("show", _record(failed={"demo-web2": "is silent"}), [
        "  failed     demo-web2: is silent"]),
    "show a rollback": ("show", _record(kind="rollback", to="guestbook-demo-5"), [
        "  to         guestbook-demo-5"]),
    "create": ("create", _hosts(created=["demo-web2"]), [
        "Created: demo-web2.",
        "  web        demo-web1, demo-web2",
        "  tester     demo-tester1"]),
    "create nothing": ("create", _hosts(), [
        "  web        demo-web1, demo-web2"]),
    "scale": ("scale", _hosts(destroyed=["demo-web3"], scaled={"web": [2, 3]}), [
        "Destroyed: demo-web3.",
        "  web        demo-web1, demo-web2 (2; the definition says 3)",
        "  tester     demo-tester1"]),
    "check": ("check", {"orphans": [
        {"kind": "machine", "name": "demo-web9", "environment": "demo",
         "provider": "local", "made": True},
        {"kind": "machine", "name": "demo-web8", "environment": "demo",
         "provider": "local", "made": False},
        {"kind": "key", "name": "demo-web7", "environment": "demo", "made": True}],
        "faults": [{"kind": "host", "name": "demo-web1", "environment": "demo",
                    "why": "has no machine; `salt-run holodeck.create demo` makes it"}],
        "removed": []}, [
        "demo-web9: is a machine at local, and no host of demo",
        ("demo-web8: is a machine at local, and no host of demo; not made by this "
         "master:"),
        "  `salt-cloud -d demo-web8`",
        "demo-web7: its key is accepted, and it has no machine",
        "demo-web1: has no machine; `salt-run holodeck.create demo` makes it",
        "`salt-run holodeck.check remove=True` removes what this master made."]),
    "check that removed": ("check", {"orphans": [], "faults": [],
                                     "removed": ["demo-web9"]}, [
        "Removed: demo-web9."]),
    "check that finds nothing": ("check", {"orphans": [], "faults": [],
                                           "removed": []}, [
        "All is well; no machine and no key is left over."]),
    "destroy": ("destroy", ["demo-web1", "demo-web2"], [
        "Destroyed: demo-web1, demo-web2."]),
    "init": ("init", {"text": "# Left to do:\nholodeck: {}\n", "left": ["hosts"]}, [
        "# Left to do:", "holodeck: {}"]),
    "init into a file": ("init", {"file": "/srv/x.sls", "left": ["lock: …", "hosts"]}, [
        "Written: /srv/x.sls. Left to do:", "  lock: …", "  hosts"]),
    "destroy nothing": ("destroy", [], ["No host was there."]),
}  # fmt: skip


@pytest.mark.parametrize("case", _CASES)
def test_output_says_what_is_needed(output, case):
    """Each kind of answer has its lines."""
    kind, value, wanted = _CASES[case]
    lines = output({"outputter": "holodeck", "data": {"kind": kind, kind: value}})
    for line in wanted:
        assert line in lines.splitlines()


@pytest.mark.parametrize("case", ["status", "status, drift", "plan", "test"])
def test_output_table_fits_a_terminal(output, case):
    """With ordinary names a table has at most 80 columns."""
    kind, value, _ = _CASES[case]
    text = output({"data": {"kind": kind, kind: value}})
    assert max(map(len, text.splitlines())) <= 80


def test_output_history_fits_a_terminal(output):
    """A failed release's line has at most 80 columns too."""
    row = {**_BAD, "seconds": 21.5, "reason": "x" * 300}
    text = output({"data": {"kind": "history", "history": [row]}})
    assert max(map(len, text.splitlines())) <= 80


_MANY = [f"demo-web{number}" for number in range(30)]
_LIST = ", ".join(_MANY)
_LONG = (
    f"webapp.switch failed:\n{_LIST}: is not healthy after 60 s; correct `health`, or "
    "bring the path\n  demo-builder1: Lock: the commit has none of uv.lock, "
    "pylock.toml and requirements.txt; name another one as `lock`"
)
_FACTS = {"python": "Python 3.11.2 of Debian 12", "lock": "uv.lock",
          "lock_sha256": "a" * 64, "uv": "0.9.11 (of an index)", "nfpm": "2.43.4",
          "zstd": "1.5.4", "fpm": "1.17.0"}  # fmt: skip
_PHASED = [{"name": name, "seconds": 12.5} for name in
           ("hosts", "resolve", "build", "stage", "rollout", "balancer")]  # fmt: skip
_LENGTHY = {
    "error": _LONG,
    "release": _record(phases=_PHASED, failed={"demo-web1": _LIST}, fresh=_MANY),
    "rollback": {**_BAD, "reason": _LONG, "back": {"demo-web1": f"is at {_LIST}"}},
    "show": _record(
        reason=_LONG, phases=_PHASED, back={"demo-web1": _LIST},
        bundle={"layers": [{**_LAYER, "needs": _MANY}],
                "provenance": _FACTS, "warnings": [_LIST]}),
    "status": [_place(
        newest={**_BAD, "reason": _LIST}, answers=_MANY,
        incoming={"hosts": _MANY, "release": "g.demo.3"},
        hosts=[_row(drift=[f"configuration differs: {_LIST}"])],
        frozen={"user": "ann", "since": "today", "message": _LIST})],
    "plan": _plan(create=_MANY, batches=[_MANY],
                  commits=[{"commit": _COMMIT, "subject": _LIST}]),
    "push": [{"release": "guestbook.demo.7", "state": "bad", "reason": _LONG}],
    "check": {"orphans": [], "removed": _MANY, "faults": [
        {"kind": "host", "name": "web1", "environment": "demo", "why": _LIST}]},
    "create": _hosts(created=_MANY, hosts={"web": _MANY}),
    "destroy": _MANY,
    "expire": _MANY,
    "init": {"file": "/srv/x.sls", "left": [_LIST]},
}  # fmt: skip


@pytest.mark.parametrize("kind", _LENGTHY)
def test_output_wraps_and_cuts_nothing(output, kind):
    """Long lists, reasons and digests fit 80 columns, and every word is there."""
    value = _LENGTHY[kind]
    text = output({"data": {"kind": kind, kind: value}})
    assert max(map(len, text.splitlines())) <= 80
    words = text.replace(",", " ").replace(".", " ").replace(":", " ").split()
    assert set(_MANY) <= set(words)
    assert "`lock`" in words or "as `lock`" not in str(value)


def test_output_uses_a_wider_terminal(output, monkeypatch):
    """Who has room sees longer lines."""
    monkeypatch.setenv("COLUMNS", "132")
    text = output({"data": {"kind": "error", "error": _LIST}})
    assert 80 < max(map(len, text.splitlines())) <= 132


def test_output_progress_fits_a_terminal(output):
    """A list of hosts goes on below itself."""
    text = output({"event": {"phase": "hosts", "message": f"{_LIST}: being made"}})
    first, *rest = text.splitlines()
    assert max(map(len, text.splitlines())) <= 80
    assert first.startswith("    hosts  demo-web0, ")
    assert all(line.startswith(" " * 13) for line in rest)


def test_output_metrics_are_the_text_alone(output):
    """What Prometheus reads is printed as it is; a file that was written is named."""
    text = "# TYPE x gauge\nx 1\n"
    data = {"kind": "metrics", "metrics": {"text": text}}
    assert output({"data": data}) + "\n" == text
    data = {"kind": "metrics", "metrics": {"file": "/x.prom"}}
    assert output({"data": data}) == "Written: /x.prom"


def test_output_progress_is_indented_below_its_phase(output):
    """A progress event is its phase and its message, further lines below."""
    text = output({"event": {"phase": "stage", "message": "one\ntwo"}, "suffix": "x"})
    assert text == "    stage  one\n           two"


@pytest.mark.parametrize("data", [{}, {"x": 1}, {"data": {"kind": "new", "new": 1}}])
def test_output_unknown_kind_is_still_shown(output, data):
    """What it does not know is shown as it is, never a traceback."""
    assert output(data)


def test_output_stands_alone():
    """Salt loads outputters without the pack's shared code: only Python's own."""
    tree = ast.parse(_FILE.read_text(encoding="utf-8"))
    found = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    assert {name.split(".")[0] for name in found} <= set(sys.stdlib_module_names)
