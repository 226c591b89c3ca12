"""Who tests what: each target and each file exactly once."""

import pytest

from holodeck_http import dealing


def _targets(count):
    return [{"name": f"web{number}"} for number in range(1, count + 1)]


def test_assign_deals_whole_targets_in_turn():
    """With enough targets nobody shares, and the loads differ by one at most."""
    one, two, three = _targets(3)
    assert dealing.assign(["t1", "t2"], [one, two, three]) == {
        "t1": [one, three], "t2": [two],
    }  # fmt: skip


def test_assign_shares_what_is_less_than_the_testers():
    """One drained host is tested by all testers together, by parts."""
    assert dealing.assign(["t1", "t2", "t3"], _targets(2)) == {
        "t1": [{"name": "web1", "part": [0, 2]}],
        "t3": [{"name": "web1", "part": [1, 2]}],
        "t2": [{"name": "web2"}],
    }


def test_assign_one_tester_tests_all():
    """No parts where nobody shares."""
    assert dealing.assign(["t1"], _targets(1)) == {"t1": _targets(1)}


@pytest.mark.parametrize("testers", range(1, 8))
@pytest.mark.parametrize("count", range(1, 8))
def test_assign_every_target_is_whole(testers, count):
    """However many there are, the parts of each target make the whole."""
    dealt = dealing.assign([f"t{n}" for n in range(testers)], _targets(count))
    for target in _targets(count):
        parts = [
            t.get("part", [0, 1]) for own in dealt.values() for t in own
            if t["name"] == target["name"]
        ]  # fmt: skip
        assert sorted(parts) == [[n, len(parts)] for n in range(len(parts))]
    assert sum(map(len, dealt.values())) == max(testers, count)


@pytest.mark.parametrize("parts", range(1, 6))
def test_files_of_deals_each_file_once_and_evenly(parts):
    """Whatever the order of the files, all testers deal them alike."""
    sizes = {f"test_{n}.py": n for n in range(1, 10)}
    turned = dict(reversed(sizes.items()))
    dealt = [dealing.files_of(sizes, n, parts) for n in range(parts)]
    assert dealt == [dealing.files_of(turned, n, parts) for n in range(parts)]
    assert sorted(name for files in dealt for name in files) == sorted(sizes)
    loads = [sum(sizes[name] for name in files) for files in dealt]
    assert max(loads) - min(loads) <= max(sizes.values())
