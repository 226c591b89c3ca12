"""What all testers proved together: what is missing is never passed."""

import pytest

from holodeck_http import results, verdict

_COUNTS = {
    "passed": 1, "failed": 0, "error": 0, "skipped": 1, "collected": 2, "total": 2,
}  # fmt: skip
_PASSED = {"state": "passed", "counts": _COUNTS, "failures": [], "seconds": 1}
_WEB = {"name": "web1"}


def _answer(**targets):
    return {"ok": True, "targets": targets}


def _faults(dealt, answers, lost=None):
    found = verdict.joined(dealt, answers, lost or {})
    return [f"{f['target']}: {f['why']}" for f in found["faults"]]


def test_joined_whole_answers_have_no_fault():
    """Complete answers are proof."""
    dealt = {"t1": [_WEB], "t2": [{"name": "web2"}]}
    answers = {"t1": _answer(web1=_PASSED), "t2": _answer(web2=_PASSED)}
    found = verdict.joined(dealt, answers, {})
    assert found["faults"] == []
    assert set(found["rows"]) == {"web1", "web2"}


@pytest.mark.parametrize(
    "returned",
    [
        None,
        False,
        "VALUE_TRIMMED",
        "The minion function caused an exception",
        {},
        {"ok": True},
        {"ok": True, "targets": "VALUE_TRIMMED"},
        {"ok": True, "targets": {}},
        _answer(web1="VALUE_TRIMMED"),
        _answer(web1={"state": "passed"}),
        _answer(web1={**_PASSED, "state": "failed"}),
        _answer(web1={**_PASSED, "counts": {"passed": 1}}),
        _answer(web1={**_PASSED, "counts": {**_COUNTS, "passed": 0, "skipped": 2}}),
        _answer(web1={**_PASSED, "counts": {**_COUNTS, "total": 3}}),
        _answer(web1={**_PASSED, "counts": {**_COUNTS, "collected": 3}}),
        _answer(web2=_PASSED),
    ],
)
def test_joined_lost_or_trimmed_answer_is_a_fault(returned):
    """Whatever Salt makes of a lost answer, it is no proof, and stands in a row."""
    found = verdict.joined({"t1": [_WEB]}, {"t1": returned}, {})
    assert found["faults"]
    assert found["rows"]["web1"]["state"] != "passed"


def test_joined_nothing_dealt_is_a_fault():
    """To expect nothing proves nothing."""
    assert _faults({}, {}) == ["targets: none were to be tested."]


def test_joined_dead_tester_is_named_and_the_others_results_stay():
    """A release says which tester died, and what it had to test."""
    dealt = {"t1": [_WEB], "t2": [{"name": "web2"}, {"name": "web3"}]}
    found = verdict.joined(
        dealt, {"t1": _answer(web1=_PASSED)}, {"t2": "is silent for 20 s."}
    )
    why = "was not tested: t2 is silent for 20 s."
    assert found["faults"] == [
        {"target": name, "why": why, "is_own": False} for name in ("web2", "web3")
    ]
    states = {name: entry["state"] for name, entry in found["rows"].items()}
    assert states == {"web1": "passed", "web2": "not-run", "web3": "not-run"}


def test_joined_failure_is_the_targets_own():
    """What failed on a host counts against that host; the fault says who saw it."""
    answers = {"t1": _answer(web1={**_PASSED, "state": "failed"})}
    [fault] = verdict.joined({"t1": [_WEB]}, answers, {})["faults"]
    assert fault == {
        "target": "web1", "why": "failed (tested from t1)", "is_own": True,
    }  # fmt: skip


def test_joined_balancer_has_a_row_for_each_tester():
    """Every tester goes through the balancer, and none hides another's result."""
    dealt = {tester: [{"name": "lb1"}] for tester in ("t1", "t2")}
    bad = {**_PASSED, "state": "unreachable"}
    answers = {"t1": _answer(lb1=_PASSED), "t2": _answer(lb1=bad)}
    found = verdict.joined(dealt, answers, {})
    assert set(found["rows"]) == {"lb1 from t1", "lb1 from t2"}
    assert len(found["faults"]) == 1


def _part(collected, total=5, **changes):
    counts = {**_COUNTS, "collected": collected, "total": total, "skipped": 0,
              "passed": collected}  # fmt: skip
    return {"state": "passed", "counts": {**counts, **changes}, "failures": []}


_SHARED = {
    "t1": [{**_WEB, "part": [0, 2]}],
    "t2": [{**_WEB, "part": [1, 2]}],
}


def test_joined_parts_make_a_whole():
    """Files that two testers ran are one row with the sum of the counts."""
    answers = {"t1": _answer(web1=_part(3)), "t2": _answer(web1=_part(2))}
    found = verdict.joined(_SHARED, answers, {})
    assert found["faults"] == []
    assert found["rows"]["web1"]["counts"]["passed"] == 5


def test_joined_empty_part_is_no_fault():
    """A suite of one file is run by one of two testers."""
    answers = {"t1": _answer(web1=_part(5)), "t2": _answer(web1=_part(0))}
    assert _faults(_SHARED, answers) == []


@pytest.mark.parametrize(
    ("parts", "lost", "fault"),
    [
        ((_part(3), _part(1)), {}, "its parts do not make the whole suite"),
        ((_part(3), {**_part(2), "digest": "another"}), {},
         "its parts do not make the whole suite"),
        ((_part(3), _part(2, total=6)), {}, "its parts do not make the whole suite"),
        ((_part(3, passed=0, skipped=3), _part(2, passed=0, skipped=2)), {},
         "says passed, but no test did"),
        ((_part(3), {**_part(2), "state": "timeout"}), {},
         "timeout (tested from t2)"),
        ((_part(3), None), {"t2": "is gone."}, "was not tested: t2 is gone."),
        ((_part(3), None), {}, "no result came back (tested from t2)"),
    ],
    ids=["short", "tests", "suite", "all-skipped", "timeout", "dead", "missing"],
)  # fmt: skip
def test_joined_parts_that_miss_something_are_a_fault(parts, lost, fault):
    """A part that is gone, or of another suite, is never passed over."""
    answers = {t: _answer(web1=p) for t, p in zip(_SHARED, parts, strict=True)}
    found = verdict.joined(_SHARED, answers, lost)
    assert fault in [f["why"] for f in found["faults"]]
    assert found["rows"]["web1"]["state"] != "passed"


def test_joined_tells_how_each_test_ended():
    """The matrix of each tester's answer becomes one table."""
    answer = _answer(web1=_PASSED)
    row = {"outcomes": "P-S", "ms": [12, 0, 0]}
    answer["matrix"] = {"ids": ["a", "b", "c"], "rows": {"web1": row}}
    found = verdict.joined({"t1": [_WEB]}, {"t1": answer}, {})
    assert found["tests"]["web1"] == {"a": ["P", 12], "c": ["S", 0]}
    assert found["cut"] == {}


def test_joined_says_where_the_rest_is():
    """A table that was too long to come back is not shown as if it were whole."""
    answer = {**_answer(web1=_PASSED), "truncated": True, "report": "/all.jsonl"}
    found = verdict.joined({"t1": [_WEB]}, {"t1": answer}, {})
    assert (found["faults"], found["cut"]) == ([], {"t1": "/all.jsonl"})


def test_joined_takes_what_a_tester_says_as_it_is():
    """The module's own merge and cap make what is understood here."""
    summary = results.cap(results.merge(["web1"], {"web1": _PASSED}))
    assert _faults({"t1": [_WEB]}, {"t1": summary}) == []
