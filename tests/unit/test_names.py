"""Names that hosts, packages, units and people share."""

import pytest

from holodeck import names

COMMIT = "4f2c1e9d0a1b5c7788990011223344556677aabb"


@pytest.mark.parametrize(
    ("value", "legal"),
    [
        (COMMIT, True), (COMMIT[:39], False), (COMMIT + "0", False),
        (COMMIT.upper(), False), ("g" * 40, False), ("", False), (None, False),
        (int("1" * 40), False), (COMMIT + "\n", False),
    ],
)  # fmt: skip
def test_is_commit_takes_full_ids_only(value, legal):
    """A commit is forty lower-case hex digits and nothing else."""
    assert names.is_commit(value) is legal


@pytest.mark.parametrize(
    ("value", "legal"),
    [(COMMIT, True), (COMMIT[:7], True), (COMMIT[:6], False), ("main", False),
     (None, False)],
)  # fmt: skip
def test_is_commit_prefix_needs_seven_digits(value, legal):
    """Seven digits can stand for a commit, six cannot."""
    assert names.is_commit_prefix(value) is legal


@pytest.mark.parametrize(
    "value",
    ["main", "v1.2.3", "feature/x_y-z", "4f2c1e9", "_x", "a" * 200, "HEADER", "x/HEAD",
     "head-1", "AHEAD"],
)  # fmt: skip
def test_is_ref_takes_ordinary_names(value):
    """Branches, tags and commits as people name them are legal."""
    assert names.is_ref(value)


@pytest.mark.parametrize(
    "value",
    ["", "-x", "--upload-pack=/bin/sh", ".x", "/x", "a..b", "a b", "a;b", "$(x)",
     "a\nb",
     "x.lock", "x/", "x.", "a" * 201, "a~1", "a^", "a:b", "@{-1}", None, 7],
)  # fmt: skip
def test_is_ref_refuses_what_git_or_a_shell_reads_otherwise(value):
    """Nothing that git takes for an option or an expression is a name."""
    assert not names.is_ref(value)


@pytest.mark.parametrize(
    "value", ["HEAD", "FETCH_HEAD", "ORIG_HEAD", "CHERRY_PICK_HEAD"]
)
def test_is_ref_refuses_gits_own_heads(value):
    """What each repository has for itself names no commit of another one."""
    assert not names.is_ref(value)


@pytest.mark.parametrize("value", ["a", "guestbook", "guestbook-2", "a1", "a" * 22])
def test_is_name_takes_ordinary_names(value):
    """Lower-case words and digits with single hyphens are names."""
    assert names.is_name(value)


@pytest.mark.parametrize(
    "value",
    ["", "A", "1a", "-a", "a-", "a--b", "a_b", "a.b", "a/b", "a b", "a" * 23, "deps",
     "guestbook-suite", "a\n", None, 7],
)  # fmt: skip
def test_is_name_refuses_what_a_path_or_unit_cannot_bear(value):
    """What is no plain word, too long for a user, or taken, is no name."""
    assert not names.is_name(value)


def test_user_of_the_longest_name_is_one_for_systemd():
    """A user that systemd takes has at most 31 characters."""
    assert len(names.user("a" * names.NAME_MAX)) == 31


def test_package_names_are_legal_in_deb_and_rpm():
    """Lower-case letters, digits and hyphens are legal in both formats."""
    name = names.app_package("guestbook-2", COMMIT)
    assert name == "holodeck-guestbook-2-4f2c1e9d0a1b"
    assert names.deps_package("0011223344556677") == "holodeck-deps-0011223344556677"


def test_paths_lie_below_the_prefix():
    """Bundles and dependencies have folders that never meet."""
    assert names.bundle_root("guestbook", COMMIT) == f"/opt/holodeck/guestbook/{COMMIT}"
    assert names.deps_root("00") == "/opt/holodeck/deps/00"
    assert not names.is_name("deps")


def test_deployment_shows_commit_and_configuration():
    """Twelve digits of each tell one deployment from the other."""
    assert names.deployment(COMMIT, "c" * 64) == f"4f2c1e9d0a1b-{'c' * 12}"


def test_suite_bundle_is_no_name_of_a_service():
    """A service can never take the name of another's suite."""
    assert not names.is_name(names.suite_bundle("guestbook"))


@pytest.mark.parametrize(
    ("value", "legal"),
    [("guestbook", True), ("guestbook-suite", True), ("a" * 22 + "-suite", True),
     ("-suite", False), ("guestbook-suite-suite", False), ("deps", False),
     ("deps-suite", False), ("../x-suite", False), ("a" * 23 + "-suite", False),
     ("", False), (None, False), (7, False)],
)  # fmt: skip
def test_is_bundle_name_takes_services_and_their_suites(value, legal):
    """A bundle is a service's, or that of its suite."""
    assert names.is_bundle_name(value) is legal


_KEY = "0011223344556677"
_FILE = {"sha256": "d" * 64, "filename": "some-1.2~rc1+x.deb", "size": 7}
_APP = {
    **_FILE, "tree": "e" * 64,
    "root": f"/opt/holodeck/guestbook/{COMMIT}",
    "package": "holodeck-guestbook-4f2c1e9d0a1b",
}  # fmt: skip
_DEPS = {
    **_FILE, "tree": "e" * 64,
    "root": f"/opt/holodeck/deps/{_KEY}",
    "package": f"holodeck-deps-{_KEY}",
}  # fmt: skip


@pytest.mark.parametrize("layer", [_APP, _DEPS], ids=["app", "deps"])
@pytest.mark.parametrize("base", [_APP, _DEPS], ids=["from app", "from deps"])
def test_is_layer_takes_its_own_place(layer, base):
    """A layer lies in its bundle's folder or in that of its dependencies' key."""
    assert names.is_layer(layer, "guestbook", COMMIT)
    followed = {**layer, "deltas": [{**_FILE, "base_root": base["root"]}]}
    assert names.is_layer(followed, "guestbook", COMMIT)


@pytest.mark.parametrize(
    "change",
    [
        {"root": "/etc"}, {"root": "/opt/holodeck"}, {"root": None}, {},
        {"root": _APP["root"] + "/.."}, {"root": _APP["root"] + "\n"},
        {"root": "/opt/holodeck/deps/../../../etc"},
        {"root": f"/opt/holodeck/kinto/{COMMIT}"},
        {"root": "/opt/holodeck/guestbook/" + "0" * 40},
        {"root": _DEPS["root"]}, {"root": _KEY, "package": _DEPS["package"]},
        {"package": _DEPS["package"]}, {"package": "bash"}, {"package": None},
        {"deltas": [{**_FILE, "base_root": "/etc"}]}, {"deltas": [_FILE]},
        {"deltas": [{**_FILE, "base_root": "/opt/holodeck/../../etc"}]},
        {"deltas": [{**_FILE, "base_root": "/opt/holodeck/guestbook/current"}]},
        {"deltas": [{**_FILE, "base_root": _APP["root"]},
                    {**_FILE, "base_root": "/"}]},
        {"deltas": [{**_FILE, "base_root": f"deps/{_KEY}"}]},
        {"deltas": [{"base_root": _DEPS["root"], "sha256": "d" * 64}]},
        {"size": None}, {"size": "7"},
        {"sha256": None}, {"sha256": "../" + "d" * 61}, {"tree": None},
        {"tree": "e" * 63}, {"filename": "../up.deb"}, {"filename": ""},
        {"filename": "-x.deb"}, {"filename": "a/b.deb"}, {"filename": ".."},
    ],
    ids=str,
)  # fmt: skip
def test_is_layer_refuses_any_other_place(change):
    """A builder's words never lead out of the bundle's own folders."""
    layer = {**_APP, **change} if change else {}
    assert not names.is_layer(layer, "guestbook", COMMIT)


def test_host_counts_within_its_role():
    """A host's minion id says environment, role and number."""
    assert names.host("demo", "web", 3) == "demo-web3"


def test_unit_tells_hyphenated_names_apart():
    """Two services never share a unit."""
    assert names.unit("a", "b-c") != names.unit("a-b", "c")


@pytest.mark.parametrize("value", ["x", None, 7, [], {}])
def test_is_layer_refuses_what_is_none(value):
    """Whatever comes instead of a layer is told apart without an error of Python's."""
    assert not names.is_layer(value, "guestbook", COMMIT)


@pytest.mark.parametrize(
    ("package", "deps"),
    [(f"holodeck-deps-{_KEY}", True), (_APP["package"], False),
     (f"holodeck-deps-x-{_KEY[:12]}", False), ("holodeck-deps-", False)],
)  # fmt: skip
def test_is_deps_package_tells_shared_layers(package, deps):
    """A service whose name begins like it is not taken for shared dependencies."""
    assert names.is_deps_package(package) is deps
