"""A bundle's manifest as the bytes that a signature is made over."""

import json

# Names what is signed: a signature of anything else by the same key is no use here.
_HEADER = b"holodeck manifest 1\n"
_NEEDED = ("name", "commit", "layers", "provenance")
_LAYER_NEEDED = ("role", "package", "root", "filename", "sha256", "tree")
_DELTA_NEEDED = ("base_root", "filename", "sha256")
_PLAIN = (str, int, type(None))


class UnsignableError(ValueError):
    """What was given is no manifest whose bytes are certain."""


def canonical(manifest):
    """
    Return the bytes that stand for ``manifest``, the same wherever it has been.

    Everything is in them but the signature itself and ``file``, the builder's own
    path: a field that hosts come to use later is signed without a word here.

    Raises :class:`UnsignableError` for a manifest without what a host installs by,
    and for values that JSON writes in more than one way.
    """
    signed = _without(manifest, "signature", _NEEDED, "manifest")
    signed["layers"] = [
        _layer(layer, f"manifest/layers/{number}")
        for number, layer in enumerate(_listed(signed["layers"], "manifest/layers"))
    ]
    text = json.dumps(_plain(signed, "manifest"), sort_keys=True, separators=(",", ":"))
    return _HEADER + text.encode("ascii")


def _layer(layer, path):
    kept = _without(layer, "file", _LAYER_NEEDED, path)
    kept["deltas"] = [
        _without(delta, "file", _DELTA_NEEDED, f"{path}/deltas/{number}")
        for number, delta in enumerate(
            _listed(kept.get("deltas", ()), f"{path}/deltas")
        )
    ]
    return kept


def _without(mapping, left_out, needed, path):
    """Return a copy without one key, once all that is needed is there."""
    if not isinstance(mapping, dict):
        raise UnsignableError(f"{path}: should be a mapping, not {mapping!r:.60}.")
    missing = [key for key in needed if key not in mapping]
    if missing:
        raise UnsignableError(f"{path}: has no {', '.join(missing)}.")
    return {key: value for key, value in mapping.items() if key != left_out}


def _listed(value, path):
    if not isinstance(value, (list, tuple)):
        raise UnsignableError(f"{path}: should be a list, not {value!r:.60}.")
    return value


def _plain(value, path):
    """Return ``value`` of dicts, lists, text, whole numbers, booleans and None."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise UnsignableError(f"{path}: the key {key!r:.60} is no text.")
        return {key: _plain(part, f"{path}/{key}") for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part, f"{path}/{n}") for n, part in enumerate(value)]
    if isinstance(value, _PLAIN):
        return value
    raise UnsignableError(
        f"{path}: {value!r:.60} is of type {type(value).__name__}, which has no one "
        "way to be written; give text or a whole number."
    )
