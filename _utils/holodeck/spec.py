"""What a builder is asked for, and the key that says it was built before."""

import hashlib
import json

from holodeck import names

# Part of every key: raise it when the same input would make other bytes.
FORMAT = 5


# What a host is told of a bundle, and what a signature is of.
INSTALLED = ("name", "commit", "layers", "provenance")


def service_spec(service, kind):
    """Return the recipe of a service's own bundle."""
    spec = {**_source(service, kind), "project": bool(service.repository)}
    return {**spec, "build": dict(service.build)} if service.build else spec


def suite_spec(service, kind, tester_lock):
    """
    Return the recipe of the bundle that tests a service.

    tester_lock
        The hashed lock of pytest and WebTest, and of Schemathesis where the service
        has a contract; used unless the service names its own ``suite_lock``.
    """
    spec = {**_source(service, kind), "project": False, "packages": {}, "extras": []}
    if service.suite:
        spec["copy"] = {service.suite: "suite"}
    else:
        spec["repository"] = ""
    if service.suite_lock:
        return {**spec, "lock": service.suite_lock, "requirements": ""}
    return {**spec, "requirements": tester_lock, "allow_unhashed": False}


def bundles(service, kind, tester_lock, signing_key=""):
    """
    Return ``{bundle name: recipe}`` of everything that a release installs.

    signing_key
        The fingerprint of the key that builders sign with, if any.
    """
    found = {
        service.name: service_spec(service, kind),
        names.suite_bundle(service.name): suite_spec(service, kind, tester_lock),
    }
    if signing_key:
        # Part of the key of what was built: another key signs anew.
        found = {name: {**one, "signing": signing_key} for name, one in found.items()}
    return found


def key(name, commit, recipe, platform):
    """Return the key under which a built bundle is found again."""
    parts = json.dumps([FORMAT, name, commit, recipe, platform], sort_keys=True)
    return hashlib.sha256(parts.encode()).hexdigest()


def artefacts(manifest):
    """Return every file of a bundle: the layers' packages and their differences."""
    return [
        artefact
        for layer in manifest["layers"]
        for artefact in (layer, *layer.get("deltas", ()))
    ]


def _source(service, kind):
    return {**service.recipe, "repository": service.repository, "kind": kind}
