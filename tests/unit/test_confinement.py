"""What a build is shown and allowed, as data."""

import json

import pytest

from holodeck import confinement
from holodeck.confinement import Job

HIDDEN = (
    "/root", "/home", "/srv", "/run", "/tmp", "/var", "/mnt", "/media", "/sys", "/boot",
    "/etc/salt", "/etc/ssh", "/etc/shadow", "/etc/ssl/private", "/etc/holodeck",
    "/etc/pki/tls/private", "/etc/pip.conf", "/etc/npmrc", "/etc/apt",
    "/etc/environment",
)  # fmt: skip


def _job(**changes):
    return Job(**{"argv": ("make",), "workdir": "/work/source", **changes})


def _plan(**changes):
    return confinement.plan(_job(**changes), "/tmp/root", {"/etc/hosts": "theirs"})


@pytest.mark.parametrize("secret", HIDDEN)
def test_plan_names_no_place_that_holds_secrets(secret):
    """No place of the system that a build sees is, holds, or lies in a secret one."""
    for place in _plan()["system"]:
        assert not f"{place}/".startswith(f"{secret}/")
        assert not f"{secret}/".startswith(f"{place}/")


def test_plan_is_plain_data():
    """A plan survives the way to the program that follows it."""
    plan = _plan(readable=("/a/b",), env={"A": "1"}, memory_mb=64)
    assert json.loads(json.dumps(plan)) == plan


def test_plan_mounts_the_inner_after_the_outer():
    """The checkout alone may be written to, and nothing covers what lies within."""
    plan = _plan(workdir="/a/b/c/d", readable=("/a/b/c/d/venv/lib", "/a/b", "/x/y"))
    shown = [(place["path"], place["writable"]) for place in plan["places"]]
    assert shown == [
        ("/a/b", False),
        ("/x/y", False),
        ("/a/b/c/d", True),
        ("/a/b/c/d/venv/lib", False),
    ]


def test_plan_has_the_builders_names_only_with_a_network():
    """Without a network no file of the builder's tells addresses."""
    assert _plan()["files"]["/etc/hosts"].startswith("127.0.0.1 localhost")
    assert _plan(network=True)["files"]["/etc/hosts"] == "theirs"


def test_plan_limits_memory_when_asked():
    """A limit of memory is one of data, in bytes; others hold always."""
    assert _plan(memory_mb=2)["limits"]["RLIMIT_DATA"] == 2 << 20
    assert set(_plan()["limits"]) == {"RLIMIT_CORE", "RLIMIT_NPROC"}


def test_environment_is_fixed_and_may_be_added_to():
    """What a caller gives stands over the fixed variables, and nothing else does."""
    given = confinement.environment({"LANG": "de_DE", "SOURCE_DATE_EPOCH": "1"})
    fixed = confinement.environment({})
    assert given == {**fixed, "LANG": "de_DE", "SOURCE_DATE_EPOCH": "1"}
    assert (fixed["TZ"], fixed["PYTHONHASHSEED"]) == ("UTC", "0")


def test_faults_of_a_good_job():
    """A job that is right has none."""
    job = _job(readable=("/opt/a b/..c",), env={"A_1": ""}, timeout_s=0.5, memory_mb=1)
    assert list(confinement.faults(job)) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"argv": ()}, "Command (): is no list of words"),
        ({"argv": "make static"}, "Command 'make static': is no list of words"),
        ({"argv": ("",)}, "Command ('',): is no list of words"),
        ({"argv": ("a", 1)}, "Command ('a', 1): is no list of words"),
        ({"argv": ("a\0b",)}, "is no list of words"),
        ({"timeout_s": 0}, "Deadline 0: is no time"),
        ({"memory_mb": 0}, "Memory 0: is no size"),
        ({"env": {"A=B": "1"}}, "Environment A=B: is no variable"),
        ({"env": {"A": 1}}, "Environment A: is no variable"),
        ({"env": {"A": "1\0"}}, "Environment A: is no variable"),
        ({"workdir": "/"}, "Folder '/': cannot be shown"),
        ({"workdir": "/srv"}, "Folder '/srv': cannot be shown"),
        ({"workdir": "a/b"}, "Folder 'a/b': cannot be shown"),
        ({"workdir": "/etc/ssl"}, "Folder /etc/ssl: belongs to the system"),
        ({"workdir": "/etc/perl"}, "Folder /etc/perl: belongs to the system"),
        ({"readable": ("/",)}, "Folder '/': cannot be shown"),
        ({"readable": ("/a/../b",)}, "Folder '/a/../b': cannot be shown"),
        ({"readable": ("/a/b/",)}, "Folder '/a/b/': cannot be shown"),
        ({"readable": ("/a/b/..",)}, "Folder '/a/b/..': cannot be shown"),
    ],
)
def test_faults_name_the_bad_value(changes, message):
    """What is wrong is one sentence that shows it."""
    (fault,) = confinement.faults(_job(**changes))
    assert message in fault


def test_faults_come_all_at_once():
    """Nobody has to repair one fault to be told the next."""
    job = _job(argv=(), env={"1": "x"}, readable=("x",), timeout_s=-1)
    assert len(list(confinement.faults(job))) == 4


@pytest.mark.parametrize(
    ("folder", "target", "stays"),
    [
        (".", "a", True),
        ("", "gone/../a", True),
        ("a/b", "../../c", True),
        ("a/b", "./..//c/", True),
        ("", "..", False),
        ("", "../work/a", False),
        ("a", "../../work/a", False),
        ("a", "b/../../../work/a", False),
        ("", "/work/a", False),
        ("", "/etc/shadow", False),
    ],
)
def test_stays_within(folder, target, stays):
    """A link may name what is in its tree wherever the tree is put, and only that."""
    assert confinement.stays_within(folder, target) is stays
