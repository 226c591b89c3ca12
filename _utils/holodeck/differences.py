"""What differs between two releases, named without showing a secret."""


def flat(content):
    """
    Return ``{path: value}`` of a configuration, one entry for each setting.

    Tables of settings, files and processes are taken apart, anything else is whole.
    """
    found = {}
    for part, value in content.items():
        if isinstance(value, dict):
            found |= {f"{part}/{name}": one for name, one in value.items()}
        else:
            found[part] = value
    return found


def changes(old, new):
    """Return ``{path: new, changed or removed}`` between two tables of digests."""
    found = {}
    for path in sorted({*old, *new}):
        if path not in old:
            found[path] = "new"
        elif path not in new:
            found[path] = "removed"
        elif old[path] != new[path]:
            found[path] = "changed"
    return found


def packages(old, new):
    """
    Return ``{package: [old version, new version]}`` of those that differ.

    old, new
        ``{package: version}``; where a package is not there its version is ``None``.
    """
    return {
        name: [old.get(name), new.get(name)]
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    }
