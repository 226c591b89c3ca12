"""The bytes of a manifest that are signed."""

import copy

import pytest

from holodeck import manifest


def _manifest(**changes):
    layer = {
        "role": "app", "package": "p", "root": "/r", "filename": "f", "sha256": "a",
        "tree": "b", "file": "/builder/f", "size": 3, "control": "",
        "deltas": ({"base_root": "/o", "filename": "d", "sha256": "c", "file": "/d"},),
    }  # fmt: skip
    return {
        "name": "x", "commit": "c", "layers": [layer], "provenance": {"format": 2},
        **changes,
    }  # fmt: skip


def test_canonical_is_written_out():
    """The bytes are fixed: hosts of an older pack verify what newer builders sign."""
    assert manifest.canonical(_manifest()) == (
        b"holodeck manifest 1\n"
        b'{"commit":"c","layers":[{"control":"","deltas":[{"base_root":"/o",'
        b'"filename":"d","sha256":"c"}],"filename":"f","package":"p","role":"app",'
        b'"root":"/r","sha256":"a","size":3,"tree":"b"}],"name":"x",'
        b'"provenance":{"format":2}}'
    )


def _reversed(value):
    if isinstance(value, dict):
        return {key: _reversed(value[key]) for key in reversed(value)}
    return [_reversed(v) for v in value] if isinstance(value, (list, tuple)) else value


def _stored(data):
    data["signature"] = "-----BEGIN"
    for part in (data["layers"][0], data["layers"][0]["deltas"][0]):
        part["file"] = "/elsewhere"


def test_canonical_does_not_depend_on_the_way():
    """Key order, lists for tuples, the signature and local paths change nothing."""
    first = manifest.canonical(_manifest())
    assert manifest.canonical(_reversed(_manifest())) == first
    stored = _manifest()
    _stored(stored)
    assert manifest.canonical(stored) == first
    without = _manifest()
    without["layers"][0]["deltas"] = ()
    bare = copy.deepcopy(without)
    del bare["layers"][0]["deltas"]
    assert manifest.canonical(bare) == manifest.canonical(without) != first


def test_canonical_changes_nothing_that_it_is_given():
    """The manifest stays as it was."""
    given = _manifest()
    manifest.canonical(given)
    assert given == _manifest()


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, "1"), (1, True), (None, "None"), ("é", "e\u0301"), ([], ""), ([1, 2], [2, 1])],
)
def test_canonical_tells_values_apart(one, other):
    """No two values that differ are the same bytes, where fields are added too."""
    assert manifest.canonical(_manifest(new=one)) != manifest.canonical(
        _manifest(new=other)
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1.5, "manifest/new: 1.5 is of type float"),
        (float("nan"), "manifest/new: nan"),
        (b"x", "of type bytes"), ({"y"}, "of type set"), (object, "of type type"),
        ({"a": [{"b": 1.0}]}, "manifest/new/a/0/b: 1.0"),
        ({1: "x"}, "manifest/new: the key 1 is no text"),
    ],
)  # fmt: skip
def test_canonical_refuses_what_has_no_one_form(value, message):
    """Floats, bytes and the like are refused, and where they are is said."""
    with pytest.raises(manifest.UnsignableError, match=message):
        manifest.canonical(_manifest(new=value))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "manifest: should be a mapping, not None"),
        ({}, "manifest: has no name, commit, layers, provenance"),
        (_manifest(layers={}), "manifest/layers: should be a list"),
        (_manifest(layers=["x"]), "manifest/layers/0: should be a mapping, not 'x'"),
        (_manifest(layers=[{}]), "manifest/layers/0: has no role, package, root, file"),
        (
            _manifest(layers=[{**_manifest()["layers"][0], "deltas": [{}]}]),
            "manifest/layers/0/deltas/0: has no base_root",
        ),
    ],
)
def test_canonical_refuses_a_part_of_a_manifest(given, message):
    """What a host installs by is signed always, never left out by mistake."""
    with pytest.raises(manifest.UnsignableError, match=message):
        manifest.canonical(given)
