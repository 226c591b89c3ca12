"""Who goes when, who tests whom, and what has to be proven."""

import pytest

from holodeck import model, rollout


@pytest.mark.parametrize(
    ("count", "batch", "floor", "sizes"),
    [
        (0, [1], 1, []), (1, [1], 1, [1]), (1, [9], 5, [1]), (1, ["100%"], "50%", [1]),
        (2, [1], 1, [1, 1]), (2, [2], 1, [1, 1]), (2, [1], 2, [1, 1]),
        (3, [1], 1, [1, 1, 1]), (3, [99], 1, [2, 1]), (3, [99], 2, [1, 1, 1]),
        (10, [4], 1, [4, 4, 2]), (10, [4], "75%", [3, 3, 3, 1]),
        (10, [1, "25%", "100%"], 1, [1, 2, 7]),
        (10, [1, "25%", "100%"], "50%", [1, 2, 5, 2]),
        (3, ["1%"], 1, [1, 1, 1]), (4, [1, 2], 1, [1, 2, 1]),
        (500, [500], 1, [499, 1]),
    ],
)  # fmt: skip
def test_batches_leave_the_floor(count, batch, floor, sizes):
    """Batches grow as asked and leave the floor; each host goes once, in order."""
    hosts = [f"web{n}" for n in range(count)]
    found = rollout.batches(hosts, batch, floor)
    assert [len(batch) for batch in found] == sizes
    assert [host for batch in found for host in batch] == hosts


@pytest.mark.parametrize("size", [1, 500, "1%", "25%", "100%"])
def test_is_size_takes_numbers_and_shares(size):
    """A size is a number of hosts, or a share of the pool."""
    assert rollout.is_size(size)


@pytest.mark.parametrize(
    "size", [0, -1, True, None, "", "5", "0%", "101%", "%", "1.5%", "5%\n", [1]]
)
def test_is_size_refuses_what_is_none(size):
    """No host, more than all of them, or another word is no size."""
    assert not rollout.is_size(size)


@pytest.mark.parametrize(
    ("size", "pool", "hosts"),
    [(3, 10, 3), ("25%", 10, 2), ("25%", 3, 1), ("100%", 7, 7), ("50%", 1, 1)],
)
def test_size_of_a_share_is_whole_hosts(size, pool, hosts):
    """A share is rounded down, and never nothing."""
    assert rollout.size_of(size, pool) == hosts


@pytest.mark.parametrize(
    ("listen", "port"),
    [("*:80", 80), (":8080", 8080), ("10.0.0.1:443 ssl crt /etc/x.pem", 443),
     ("[::]:81", 81), (":::82", 82)],
)  # fmt: skip
def test_port_of_reads_haproxy_binds(listen, port):
    """The port is the last number of the address, options aside."""
    assert rollout.port_of(listen) == port


@pytest.mark.parametrize(
    ("address", "url"),
    [("10.0.0.1", "http://10.0.0.1:8000"), ("fd00::1", "http://[fd00::1]:8000")],
)
def test_host_target_brackets_ipv6(address, url):
    """An IPv6 address stands in brackets in a URL."""
    found = rollout.host_target("web1", address, 8000)
    assert found == {"name": "web1", "kind": "host", "url": url}


@pytest.mark.parametrize(
    ("listen", "url", "wanted"),
    [
        ("*:80", "", {"url": "http://10.0.0.9:80"}),
        ("*:443 ssl crt /x", "https://book.example.org/",
         {"url": "https://10.0.0.9:443", "host": "book.example.org"}),
        ("*:8080", "https://book.example.org:8443",
         {"url": "http://10.0.0.9:8080", "host": "book.example.org:8443"}),
    ],
)  # fmt: skip
def test_balancer_target_is_its_own_address_under_the_name_people_use(
    listen, url, wanted
):
    """Each of several balancers is tested, whatever the name resolves to."""
    placement = model.Placement(service="guestbook", listen=listen, url=url)
    found = rollout.balancer_target("lb1", "10.0.0.9", placement)
    assert found == {"name": "lb1", "kind": "balancer", **wanted}


def test_balancer_target_brings_the_files_that_tls_needs():
    """An authority of one's own, and a client's certificate, come by the definition."""
    tests = model.Tests(ca="/etc/ca.pem", cert="/etc/me.pem")
    placement = model.Placement("guestbook", "*:443 ssl crt /x", tests=tests)
    found = rollout.balancer_target("lb1", "10.0.0.9", placement)
    assert (found["ca"], found["cert"]) == ("/etc/ca.pem", "/etc/me.pem")
    assert "key" not in found


def test_url_target_is_what_people_use():
    """The name as it resolves is a target of its own."""
    placement = model.Placement(service="guestbook", url="https://example.org/")
    assert rollout.url_target(placement)["url"] == "https://example.org"


_EXPECTED = {"/opt/a": "1", "/opt/b": "2"}


@pytest.mark.parametrize(
    "digests",
    [
        {},
        {"/opt/a": "1"},
        {"/opt/a": "1", "/opt/b": "3"},
        {"/opt/a": None, "/opt/b": "2"},
    ],
)
def test_unproven_names_hosts_with_other_bytes(digests):
    """A host that reports a wrong digest, or none, is not proven."""
    replies = {"web2": digests, "web1": {**_EXPECTED, "/opt/more": "9"}}
    assert rollout.unproven(replies, _EXPECTED) == ["web2"]


def test_expected_digests_covers_every_layer():
    """Each layer of each bundle has to be reported."""
    bundles = [{"layers": [{"root": "/opt/a", "tree": "1"}]},
               {"layers": [{"root": "/opt/b", "tree": "2"}]}]  # fmt: skip
    assert rollout.expected_digests(bundles) == _EXPECTED


_NO_IMPORT = "ImportError while importing test module '/x'.\nHint: y\nE   "
_HINT = (
    "  test_x.py::test_home: ModuleNotFoundError: No module named 'a'; what testers do "
    "not have comes by a `suite_lock`"
)


def _failure(why):
    return {"id": "test_x.py::test_home", "why": why}


def _reasons(failures):
    fault = {"target": "web1", "why": "failed (tested from t1)", "is_own": True}
    return rollout.suite_reasons([fault], {"web1": {"failures": failures}})


@pytest.mark.parametrize(
    ("why", "shown"),
    [
        ("expected 200\nbody", "  test_x.py::test_home: expected 200"),
        ("/opt/x/webtest/app.py:12: got 500", "  test_x.py::test_home: got 500"),
        ("", "  test_x.py::test_home: "),
        (f"{_NO_IMPORT}ValueError: no", "  test_x.py::test_home: ValueError: no"),
        (f"{_NO_IMPORT}ModuleNotFoundError: No module named 'a'", _HINT),
    ],
)
def test_suite_reasons_shows_the_first_words(why, shown):
    """A failure is one line, without the place in a library that it came from."""
    assert _reasons([_failure(why)]) == ["web1: failed (tested from t1)", shown]


def test_suite_reasons_counts_what_it_leaves_out():
    """Of many failures the first three are shown, and how many more there are."""
    lines = _reasons([_failure("x")] * 5)
    assert lines[-1] == "  and 2 more"
    assert len(lines) == 5


def test_suite_reasons_of_a_dead_tester_are_said_once():
    """What is nobody's own fault has no failures below it."""
    fault = {"target": "web1", "why": "was not tested: t1 is gone.", "is_own": False}
    rows = {"web1": {"failures": [_failure("was not tested: t1 is gone.")]}}
    assert rollout.suite_reasons([fault], rows) == ["web1: was not tested: t1 is gone"]
