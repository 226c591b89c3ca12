"""Verdicts from result files: what is missing is never passed."""

import json

import pytest

from holodeck_http import results


def _lines(*events):
    return "".join(json.dumps(event) + "\n" for event in events)


def _collected(count, total=None):
    return {"event": "collected", "count": count, "total": total or count}


def _test(outcome, kind="", why="because"):
    return {
        "event": "test",
        "id": f"test_x.py::{outcome}",
        "outcome": outcome,
        "kind": kind,
        "why": why,
    }


def _finished(status=0):
    return {"event": "finished", "exit": status}


def _judge(*events, exit_status=0, **options):
    run = results.parse(_lines(*events))
    return results.judge(run, exit_status=exit_status, **options)


def test_judge_whole_run_passes():
    """Each collected test ran, one passed, the run ended: passed."""
    entry = _judge(_collected(2), _test("passed"), _test("skipped"), _finished())
    assert entry["state"] == "passed"
    assert entry["counts"]["passed"] == 1
    assert entry["failures"] == []


@pytest.mark.parametrize(
    ("events", "exit_status", "state"),
    [
        ([], 4, "error"),
        ([_collected(0), _finished(5)], 5, "no-tests"),
        ([_collected(1), _test("skipped"), _finished()], 0, "no-tests"),
        ([_collected(2), _test("passed"), _finished()], 0, "error"),
        ([_collected(1), _test("passed")], 0, "error"),
        ([_collected(1), _test("passed"), _finished()], 3, "error"),
        ([_collected(1), _test("passed"), _finished(1)], 0, "error"),
        ([_collected(1), _test("failed"), _finished(1)], 1, "failed"),
        ([_collected(1), _test("error"), _finished(1)], 1, "failed"),
        ([_test("passed"), _finished()], 0, "error"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_judge_incomplete_run_never_passes(events, exit_status, state):
    """Nothing collected, nothing run, no end or a bad status: not passed, and why."""
    entry = _judge(*events, exit_status=exit_status)
    assert entry["state"] == state
    assert entry["failures"][0]["why"]


def test_judge_deadline_names_the_test_that_ran():
    """After a kill the report says which test was running."""
    entry = _judge(
        _collected(2),
        _test("passed"),
        {"event": "started", "id": "test_x.py::hangs"},
        exit_status=-9,
        timed_out=True,
    )
    assert entry["state"] == "timeout"
    assert entry["failures"][0]["id"] == "test_x.py::hangs"
    assert entry["counts"]["passed"] == 1


def test_judge_silent_target_is_unreachable():
    """When no test got an answer the target is unreachable, not failed."""
    entry = _judge(
        _collected(9), *[_test("failed", kind="TransportError")] * 3, _finished(1)
    )
    assert entry["state"] == "unreachable"


def test_judge_one_lost_answer_is_a_failure():
    """A target that answered at all is reachable."""
    entry = _judge(
        _collected(2),
        _test("passed"),
        _test("failed", kind="TransportError"),
        _finished(1),
        exit_status=1,
    )
    assert entry["state"] == "failed"


def test_judge_collection_error_shows_its_reason():
    """A suite that cannot be imported fails with the reason, though none ran."""
    entry = _judge(
        _collected(0),
        {**_test("error", why="ImportError: no such thing"), "phase": "collect"},
        _finished(2),
        exit_status=2,
    )
    assert entry["state"] == "failed"
    assert "ImportError" in entry["failures"][0]["why"]


def test_parse_line_cut_by_a_kill_is_left_out():
    """Half a line and foreign lines harm nothing."""
    text = _lines(_collected(2), _test("passed")) + '"x"\n[1]\n{"event": "tes'
    assert len(results.parse(text)["tests"]) == 1


@pytest.mark.parametrize("outcome", ["passed", "failed", "error", "skipped"])
def test_parse_prefix_of_any_length_never_passes(outcome):
    """However early the file ends, the verdict is not passed."""
    whole = _lines(_collected(2), _test("passed"), _test(outcome), _finished())
    for length in range(len(whole) - 1):
        run = results.parse(whole[:length])
        assert results.judge(run, exit_status=-9)["state"] != "passed"


def test_merge_missing_target_is_not_run():
    """A target without an entry makes the whole not ok."""
    good = {"state": "passed", "counts": {}, "failures": []}
    merged = results.merge(["a", "b"], {"a": good})
    assert merged["ok"] is False
    assert merged["targets"]["b"]["state"] == "not-run"


def test_merge_no_targets_is_not_ok():
    """Nothing tested is nothing proved."""
    assert results.merge([], {})["ok"] is False


_PASSED = {
    "state": "passed",
    "counts": {
        "passed": 1,
        "failed": 0,
        "error": 0,
        "skipped": 1,
        "collected": 2,
        "total": 2,
    },
    "failures": [],
}


def test_cap_keeps_states_and_counts():
    """A huge report shrinks below the limit, its verdicts stay."""
    failure = {"id": "t" * 400, "why": "ü" * 4000}
    entry = {**_PASSED, "state": "failed", "failures": [failure] * 500}
    summary = {"ok": False, "targets": {f"web{n}": entry for n in range(100)}}
    short = results.cap(summary)
    assert len(json.dumps(short)) <= results.LIMIT_BYTES
    assert short["truncated"] is True
    assert {each["state"] for each in short["targets"].values()} == {"failed"}
    assert all(each["failures"] for each in short["targets"].values())


def test_cap_small_summary_is_untouched():
    """What fits is returned as it is."""
    summary = {"ok": True, "targets": {"a": _PASSED}}
    assert results.cap(summary) == summary


def test_cap_leaves_the_matrix_out_before_the_last_reasons():
    """What a page shows is worth less than why a release failed."""
    row = {"outcomes": "P" * 9000, "ms": [1] * 9000}
    rows = {f"web{number}": row for number in range(20)}
    summary = {
        "ok": True,
        "targets": {"a": _PASSED},
        "matrix": {"ids": [], "rows": rows},
    }
    short = results.cap(summary)
    assert "matrix" not in short
    assert short["truncated"] is True


def test_judge_smoke_failure_stops_and_says_so():
    """What was left out after a smoke test is counted, not passed over."""
    entry = _judge(
        _collected(9), _test("failed"), {"event": "stopped", "why": "smoke"},
        _finished(1), exit_status=1,
    )  # fmt: skip
    assert entry["state"] == "failed"
    assert entry["failures"][-1]["why"] == "Stopped: smoke; 8 tests were not run."


def test_judge_target_that_is_never_ready_is_unreachable():
    """Waiting in vain is told apart from tests that fail."""
    ready = {**_test("error", kind="TransportError"), "phase": "ready"}
    entry = _judge(_collected(9), ready, _finished(1), exit_status=1)
    assert entry["state"] == "unreachable"


@pytest.mark.parametrize(
    ("events", "status"),
    [([_collected(0, 3), _finished(5)], 5),
     ([_collected(1, 3), _test("skipped"), _finished()], 0)],
)  # fmt: skip
def test_judge_empty_part_is_no_failure(events, status):
    """Where several testers share the files, one of them may have nothing to run."""
    assert _judge(*events, exit_status=status, shared=True)["state"] == "passed"
    assert _judge(*events, exit_status=status)["state"] == "no-tests"


def test_percentiles_are_requests_that_happened():
    """By nearest rank, in milliseconds; nothing sent is nothing said."""
    found = results.percentiles([number / 1000 for number in range(1, 101)])
    assert found == {"n": 100, "p50": 50, "p95": 95, "p99": 99, "max": 100}
    assert results.percentiles([0.5])["p99"] == 500
    assert results.percentiles([]) is None


def test_matrix_has_a_letter_for_each_test():
    """What did not run on a target is told apart from what ended badly."""
    runs = {
        "a": results.parse(_lines({**_test("passed"), "seconds": 0.25})),
        "b": results.parse(_lines(_test("failed"))),
    }
    tests = {target: results.outcomes(run) for target, run in runs.items()}
    matrix = results.matrix(tests)
    assert matrix == {
        "ids": ["test_x.py::passed", "test_x.py::failed"],
        "rows": {
            "a": {"outcomes": "P-", "ms": [250, 0]},
            "b": {"outcomes": "-F", "ms": [0, 0]},
        },
    }
    assert {target: results.row(matrix, target) for target in tests} == tests
