"""
Build, install, verify and remove bundles.

A bundle is one service at one commit as a whole virtualenv without
configuration. It is built once, on a builder, as native packages in two
layers, and installed side by side with other commits under
``/opt/holodeck/SERVICE/COMMIT``.
"""

import concurrent.futures
import functools
import logging

from salt.exceptions import SaltInvocationError
from salt.fileclient import get_file_client

from holodeck import names, sbom
from holodeck import spec as naming
from holodeck_build import packing, recipe, source
from holodeck_bundle import (
    database,
    downloads,
    inventory,
    proof,
    receipts,
    signing,
    system,
)
from holodeck_bundle import install as hands
from holodeck_io import errors, pillar

log = logging.getLogger(__name__)
__func_alias__ = {"list_": "list"}


def resolve(repository, ref):
    """
    Return the full commit id that a branch, a tag or a short commit stands for.

    repository
        The URL that git clones from.
    ref
        The branch, tag or commit.

    Raises :class:`~holodeck_io.errors.HolodeckError` when the repository does
    not have it or cannot be read.

    CLI Example:

    .. code-block:: bash

        salt 'builder1' bundle.resolve git://git.example.org/guestbook.git main
    """
    if not names.is_ref(ref):
        raise SaltInvocationError(
            f"ref {ref!r}: is no name of a branch, tag or commit; {names.REF_RULE}."
        )
    return source.resolve(_repository(repository), ref)


def history(repository, old, new):
    """
    Return the commits from ``old`` to ``new`` as ``[{commit, subject}]``.

    repository
        The URL that git clones from.
    old
        The full commit id that is left out.
    new
        The full commit id that comes first.

    CLI Example:

    .. code-block:: bash

        salt 'builder1' bundle.history URL 4f2c1e9... 99ab01c...
    """
    return source.history(_repository(repository), _commit(old), _commit(new))


def build(name, commit, spec, stored=(), bases=()):
    """
    Build the bundle of one commit and push its packages to the master.

    name
        The bundle's name: the service, or the service and ``-suite``.
    commit
        The full commit id.
    spec
        What goes in: ``repository``; ``lock`` (a path in it, by default ``uv.lock``,
        ``pylock.toml`` or ``requirements.txt``) or ``requirements`` (the lock
        itself), ``allow_unhashed``, ``extras``; ``project`` (install the
        repository's own package); ``build`` (``command``, ``artefacts``,
        ``network``, ``timeout_s``); ``copy`` (folders of the repository to folders
        of the bundle); ``packages`` (``build`` and ``run``: system packages);
        ``python``, ``packager``, ``kind``; ``signing`` (a key's fingerprint).
    stored
        SHA-256 of packages that the master has and need not be pushed.
    bases
        Layers that hosts have already: each new layer is also made as the
        difference from its predecessor.

    Returns ``{name, commit, layers, provenance}`` and ``signature`` where a key is
    named; each layer has its ``package``, ``root``, ``filename``, ``sha256``,
    ``size`` in bytes, ``tree``, the digest of the files, ``needs``, the system
    packages it runs with, and ``deltas``. Private package indexes come from this
    minion's pillar.

    Raises ``SaltInvocationError`` for a bad commit and
    :class:`~holodeck_io.errors.HolodeckError` when a step fails.

    CLI Example:

    .. code-block:: bash

        salt 'builder1' bundle.build guestbook 4f2c1e9... \
            spec='{"repository": "git://git.example.org/guestbook.git",
                   "lock": "requirements.txt", "project": true}'
    """
    return build_all(commit, {name: spec}, stored, {name: bases})[name]


def build_all(commit, specs, stored=(), bases=None, mark=""):
    """
    Build several bundles of one commit at the same time.

    commit
        The full commit id.
    specs
        ``{bundle name: spec}`` as for :py:func:`build`.
    stored
        SHA-256 of packages that the master has and need not be pushed.
    bases
        ``{bundle name: layers that hosts have already}``.
    mark
        That of the pillar which is meant, as in :py:func:`stage`.

    Returns ``{bundle name: manifest}``.

    CLI Example:

    .. code-block:: bash

        salt 'builder1' bundle.build_all 4f2c1e9... specs='{"guestbook": {…}}'
    """
    _commit(commit)
    # Salt's dunders are bound to this thread: what needs them is taken here.
    packers = {name: _packer(spec) for name, spec in specs.items()}
    private = _pillar(mark).get("indexes", [])
    with concurrent.futures.ThreadPoolExecutor() as pool:
        jobs = {
            name: pool.submit(
                recipe.build,
                name,
                commit,
                spec,
                packers[name],
                (bases or {}).get(name, ()),
                private,
            )
            for name, spec in specs.items()
        }
    manifests = {name: job.result() for name, job in jobs.items()}
    for name, manifest in manifests.items():
        _push_new(manifest, stored)
        if key := specs[name].get("signing"):
            told = {part: manifest[part] for part in naming.INSTALLED}
            manifest["signature"] = signing.sign(told, key)
    return manifests


def install(name, commit, layers, provenance=None, signature=""):
    """
    Install a bundle beside what runs, and prove that its bytes are right.

    Only packages that are missing or damaged are fetched, from a mirror that this
    minion's pillar names or from the master, and each is verified before it is
    installed. System packages that it needs are installed where they are missing.
    Nothing is switched.

    name
        The bundle's name.
    commit
        The full commit id.
    layers
        The layers that :py:func:`build` returned.
    provenance, signature
        What :py:func:`build` returned too; needed where this minion's pillar
        demands bundles that are signed.

    Returns ``{"digest": {root: tree digest}, "changes": {package: …}}``.

    Raises :class:`~holodeck_io.errors.HolodeckError` when a package cannot be
    had, the installed files differ from what was built, or the signature is
    not one that is demanded.

    CLI Example:

    .. code-block:: bash

        salt 'web1' bundle.install guestbook 4f2c1e9... layers='[…]'
    """
    return _install(_terms(), name, commit, layers, provenance, signature)


def _install(terms, name, commit, layers, provenance=None, signature=""):
    demanded, fetch = terms
    _check_layers(_name(name), _commit(commit), layers)
    bundle = {"name": name, "commit": commit, "layers": layers}
    _check_signature({**bundle, "provenance": provenance or {}}, signature, demanded)
    _install_needs(name, layers)
    kind = _kind()
    with hands.exclusive():
        new = proof.absent(layers)
        proven = hands.place(new, kind, fetch)
        mended = hands.prove(layers, kind, fetch, proven)
        digests = receipts.keep(name, commit, layers)
        if proven or mended:
            # What is in the database must not depend on what is not: apt would
            # offer to remove it.
            hands.register(kind, layers)
    return {
        "digest": digests,
        "changes": {
            layer["package"]: {"old": None, "new": layer["tree"][:12]}
            for layer in layers
            if layer in new or layer in mended
        },
    }


def stage(bundles, mark=""):
    """
    Install several bundles; return the digests of all.

    bundles
        A list of ``{name, commit, layers, provenance, signature}``.
    mark
        That of the pillar which is meant: where ``holodeck:mark`` of the one in
        memory is the same, no other is compiled to see which signature is demanded, and
        where packages are.

    Returns ``{root: tree digest}``.

    CLI Example:

    .. code-block:: bash

        salt 'web1' bundle.stage '[{"name": "guestbook", …}]'
    """
    digests, terms = {}, _terms(mark)
    for bundle in bundles:
        digests |= _install(terms, **bundle)["digest"]
    return digests


def register():
    """
    Enter bundles that came as a difference into the package database.

    ``dpkg -L``, ``-S``, ``-V`` and ``--purge`` know them from then on. A release has
    :py:func:`prune` do it at its end: nothing that serves waits for it.

    Returns the packages that were entered.

    CLI Example:

    .. code-block:: bash

        salt 'web1' bundle.register
    """
    with hands.exclusive():
        return hands.register(_kind())


def verify(name, commit=""):
    """
    Recompute an installed bundle's digests and compare them with its receipt.

    name
        The bundle's name.
    commit
        The commit, or its first digits; by default the one that runs.

    Returns ``{"ok": bool, "differs": {root: [what differs, …]}}``; each entry
    says which file, and how.

    Raises :class:`~holodeck_io.errors.HolodeckError` when it is not installed.

    CLI Example:

    .. code-block:: bash

        salt 'web1' bundle.verify guestbook
    """
    layers = receipts.get(_name(name), _installed(name, commit))["layers"]
    damaged = proof.missing(layers)
    return {
        "ok": not damaged,
        "differs": {x["root"]: proof.differences(x, _kind()) for x in damaged},
    }


def show(name, commit="", full=False):
    """
    Return what an installed bundle is made of, and where it came from.

    name
        The bundle's name.
    commit
        The commit, or its first digits; by default the one that runs.
    full
        The whole bill of materials (CycloneDX) too, not its summary alone.

    Returns ``{name, commit, provenance, layers, packages, licenses}``, and
    ``sbom`` where it is asked for.

    Raises :class:`~holodeck_io.errors.HolodeckError` when it is not installed.

    CLI Example:

    .. code-block:: bash

        salt 'web1' bundle.show guestbook
    """
    commit = _installed(_name(name), commit)
    layers = receipts.get(name, commit)["layers"]
    found = inventory.read(names.bundle_root(name, commit))
    summary = sbom.summary(found["sbom"])
    keys = ("role", "package", "root", "sha256", "tree", "size", "needs")
    shown = {
        "name": name,
        "commit": commit,
        "provenance": found["provenance"],
        "layers": [{key: layer.get(key) for key in keys} for layer in layers],
        "packages": summary["packages"],
        "licenses": summary["licenses"],
    }
    return {**shown, "sbom": found["sbom"]} if full else shown


def list_(name=None):
    """
    Return the installed bundles as ``{name: [commit, …]}``.

    name
        Only this bundle.

    CLI Example:

    .. code-block:: bash

        salt 'web1' bundle.list guestbook
    """
    return receipts.installed(name and _name(name))


def missing(name, commit, layers):
    """
    Return the packages that :py:func:`install` would install, or enter anew.

    They are all of them where this host has no receipt of the bundle: an
    installation was killed before its end, and nothing keeps its layers.

    name
        The bundle's name.
    commit
        The full commit id.
    layers
        The layers that :py:func:`build` returned.

    CLI Example:

    .. code-block:: bash

        salt 'web1' bundle.missing guestbook 4f2c1e9... layers='[…]'
    """
    _check_layers(_name(name), _commit(commit), layers)
    known = receipts.has(name, commit, layers)
    return [x["package"] for x in (proof.missing(layers) if known else layers)]


def prune(name, keep):
    """
    Remove the bundles of ``name`` other than those to keep.

    The one that runs is never removed, nor a layer that another bundle needs. What
    stays and came as a difference is entered into the package database, as
    :py:func:`register` does it.

    name
        The bundle's name.
    keep
        Full commit ids that stay.

    Returns the removed packages.

    CLI Example:

    .. code-block:: bash

        salt 'web1' bundle.prune guestbook keep='["4f2c1e9..."]'
    """
    if not isinstance(keep, (list, tuple)):
        raise SaltInvocationError(
            f"keep {keep!r}: should be a list of full commit ids."
        )
    staying = {_commit(commit) for commit in keep}
    with hands.exclusive():
        staying.add(hands.current(_name(name)))
        there = receipts.installed(name).get(name, [])
        doomed = [commit for commit in there if commit not in staying]
        removed = hands.remove(name, doomed, _kind(), keep)
        # Last: where the disk is full this makes room.
        hands.register(_kind())
    return removed


def _installed(name, commit):
    """Return the full id of an installed commit."""
    there = receipts.installed(name).get(name, [])
    wanted = commit or hands.current(name) or ""
    fitting = [one for one in there if wanted and one.startswith(str(wanted))]
    if len(fitting) != 1:
        raise errors.HolodeckError(
            f"Bundle {name} {wanted or '(none runs)'}: names {len(fitting) or 'no'} "
            f"bundle of this host; installed are {', '.join(there) or 'none'}."
        )
    return fitting[0]


def _packer(spec):
    return packing.Packer(
        spec.get("kind", "deb"), spec.get("packager", "nfpm"), __salt__["fpm.package"]
    )


def _pillar(mark=""):
    return pillar.own(__opts__, dict(__grains__), __pillar__, mark)


def _terms(mark=""):
    """Return whose signature this host demands of one call, and what fetches for it."""
    own = _pillar(mark)
    client = functools.partial(get_file_client, __opts__)
    sources = downloads.Sources(own.get("mirrors", ()), __opts__["id"], client)
    return own.get("signing"), sources.fetch


def _check_signature(bundle, signature, demanded):
    """
    Refuse what no demanded key signed, before a byte of it is fetched.

    What is here already, receipt and bytes, stays legal when keys change: otherwise
    no host could go back to what it ran before signatures were asked for.
    """
    if demanded is None and signing.KEYRING.exists():
        raise errors.HolodeckError(
            f"Bundle {bundle['name']}: this host has demanded signatures, and its "
            "pillar says nothing of them any more; give `holodeck: {signing: …}` "
            "again, or `signing: {}` to end that."
        )
    if not demanded:
        return
    signing.import_keys(demanded["public_keys"])
    try:
        signing.verify(bundle, signature, fingerprint=demanded["key"])
    except errors.HolodeckError as error:
        layers = bundle["layers"]
        there = receipts.has(bundle["name"], bundle["commit"], layers)
        if not there or proof.missing(layers):
            raise
        log.warning("%s It was installed before, and stays.", error)


def _install_needs(name, layers):
    """Install the system packages that a bundle needs, where they are missing."""
    needs = sorted({need for layer in layers for need in layer.get("needs", ())})
    if missing := system.missing(needs, _kind()):
        with hands.exclusive():
            database.of(_kind()).mend()
        wanted = sorted({need.split()[0] for need in missing})
        __salt__["pkg.install"](pkgs=wanted, refresh=True)
        missing = system.missing(needs, _kind())
    if missing:
        raise errors.HolodeckError(
            f"Bundle {name}: needs the system packages {', '.join(missing)}, which "
            "this host's package manager did not bring; install them, or build on "
            "the system that the hosts have."
        )


def _push_new(manifest, stored):
    for artefact in naming.artefacts(manifest):
        if artefact["sha256"] not in stored:
            _push(artefact)


def _push(artefact):
    path = f"/holodeck/{artefact['sha256']}"
    if not __salt__["cp.push"](artefact["file"], upload_path=path):
        raise errors.HolodeckError(
            f"Package {artefact['filename']}: the master did not take it; set "
            "`file_recv: True` and a `file_recv_max_size` (MB) above "
            f"{artefact['size'] >> 20} in the master's configuration."
        )


def _kind():
    return "rpm" if __grains__["os_family"] in {"RedHat", "Suse"} else "deb"


def _name(value):
    if not names.is_bundle_name(value):
        raise SaltInvocationError(f"name {value!r}: is no name of a service.")
    return value


def _check_layers(name, commit, layers):
    if not (isinstance(layers, (list, tuple)) and layers):
        raise SaltInvocationError(
            f"layers {layers!r}: should be the list that `bundle.build` returned; "
            "`holodeck.show` has it in a release's record."
        )
    for layer in layers:
        if not names.is_layer(layer, name, commit):
            raise SaltInvocationError(
                f"layers: {layer!r} is no layer of {name} {names.short(commit)}: it "
                "needs the package, the root, the filename, the size and the "
                "digests that `bundle.build` returned."
            )


def _commit(value):
    if not names.is_commit(value):
        raise SaltInvocationError(
            f"commit {value!r}: should be a full commit id, 40 hex digits; "
            "`bundle.resolve` finds it."
        )
    return value


def _repository(url):
    if not isinstance(url, str) or url.startswith("-"):
        raise SaltInvocationError(f"repository {url!r}: is not a URL.")
    return url
