"""What a service of the definition may say, and what is wrong with it."""

import re

from holodeck import (
    commit_status,
    fields,
    names,
    schema,
    system_packages,
    units,
    webhooks,
)
from holodeck import webhook_signatures as signatures
from holodeck.model import Service

# Without the sign that begins a comment in HAProxy's configuration.
_PATH = re.compile(r"/[!\"$-~]*")
_PATH_RULE = "should begin with /, and have no space and no #"
# No password in it: commands, errors and records show it.
_REPOSITORY = re.compile(
    r"(?!-)(?!(?i:https?)://[^/@]*@)(?![A-Za-z+]+://[^/@]*:[^/@]*@)\S+"
)
_HEADER_VALUE = re.compile(r"([ -#%-~]|\$\{[A-Za-z_][A-Za-z0-9_]*\})+")
_OWN_HEADERS = {"host", "content-length", "transfer-encoding", "connection"}
_SECRET_HEADERS = {"authorization", "proxy-authorization", "cookie"}
_REFERENCE = re.compile(r"\$\{(\w+)\}")
_RELATIVE = re.compile(r"(?!/)(?!.*(^|/)\.\.(/|$))[!-~]+")
_RELATIVE_RULE = "should be a path in the repository, without .. and spaces"


def service(name, data, faults):
    """Return the :class:`~holodeck.model.Service`, or ``None`` where it has faults."""
    path = f"services/{name}"
    fields.check_name(name, path, faults)
    values = schema.mapping(data, path, _SERVICE, faults)
    if not (values.get("repository") or values.get("requirements")):
        faults.add(path, "needs a repository (git), or requirements (a hashed lock)")
    bare = values.get("requirements")
    if bare and "--hash=" not in bare and not values.get("allow_unhashed"):
        faults.add(f"{path}/requirements", "has no hashes; lock with --generate-hashes")
    for key in ("suite", "suite_lock"):
        if values.get(key) and not values.get("repository"):
            faults.add(f"{path}/{key}", "is a path in a repository, and there is none")
    if not (values.get("suite") or values.get("checks")):
        faults.add(path, "needs a suite (a folder of tests), or checks")
    for process, line in values.get("processes", {}).items():
        fields.check_name(process, f"{path}/processes/{process}", faults)
        _check_command(line, f"{path}/processes/{process}", faults)
    fields.check_settings(values, path, faults)
    _check_build(values, path, faults)
    if "webhook" in values:
        values["webhook"] = _webhook(values, f"{path}/webhook", faults)
    if "contract" in values:
        values["contract"] = _contract(values["contract"], f"{path}/contract", faults)
    if faults:
        return None
    return Service(name=name, **values)


def _check_command(line, path, faults):
    try:
        words = units.command(line) if isinstance(line, str) else []
    except ValueError as error:
        faults.add(path, f"{line!r} has unbalanced quotes ({error})")
        return
    if not words or "\n" in line:
        faults.add(path, f"{line!r} is not a command line; write one line of words")
    for word in _OPERATORS.intersection(words):
        faults.add(
            path, f"{word!r} in {line!r} is a shell's, and there is no shell; write a "
            "script in the repository and name it here"
        )  # fmt: skip


def _contract(data, path, faults):
    """Return what the schema is held against, with the defaults filled in."""
    found = schema.mapping(data, path, _CONTRACT, faults)
    checks = found.get("checks", _ANSWERS)
    for check in [check for check in checks if check not in _CHECKS]:
        faults.add(f"{path}/checks", f"{check!r} is no check; use {', '.join(_CHECKS)}")
    if not checks:
        faults.add(f"{path}/checks", "is empty; leave it out for the usual ones")
    headers = found.get("headers", {})
    for name, value in headers.items():
        place = f"{path}/headers/{name}"
        if not names.is_header(name) or name.lower() in _OWN_HEADERS:
            faults.add(place, "is no header's name, or one that the client makes")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            faults.add(
                place,
                "should be one line of printable ASCII, with a $ in ${NAME} alone",
            )
        elif name.lower() in _SECRET_HEADERS and not _REFERENCE.search(value):
            faults.add(
                place, "holds the secret itself; give it as tests/settings/NAME where "
                "the service is placed, and write ${NAME} here"
            )  # fmt: skip
    return {"seconds": 60, **found, "checks": list(checks), "headers": dict(headers)}


def header_settings(contract):
    """Return the names of the settings that the headers of a contract ask for."""
    values = contract.get("headers", {}).values()
    return sorted({name for value in values for name in _REFERENCE.findall(value)})


def _webhook(values, path, faults):
    """Return ``{"scheme", "secrets"}`` of whoever may push; no fault shows a secret."""
    found = schema.mapping(values["webhook"], path, _WEBHOOK, faults)
    if not values.get("repository"):
        faults.add(path, "is for pushes to a repository, and there is none")
    secrets = found.get("secret", "")
    secrets = secrets if isinstance(secrets, list) and secrets else [secrets]
    for secret in secrets:
        text = secret if isinstance(secret, str) else ""
        if not signatures.is_secret(found.get("scheme"), text):
            faults.add(
                f"{path}/secret",
                f"should be text of {signatures.SECRET_MIN} characters and more, as "
                "`openssl rand -hex 32` makes it; gitlab makes its own signing token, "
                "whsec_…; what is elsewhere is named as sdb://…",
            )
        fields.check_decrypted(secret, f"{path}/secret", faults)
    if "status" in found:
        place = f"{path}/status"
        status = schema.mapping(found["status"], place, _STATUS, faults)
        fields.check_decrypted(status.get("token"), f"{place}/token", faults)
        if found.get("scheme") not in commit_status.SCHEMES:
            faults.add(place, f"is there for {', '.join(commit_status.SCHEMES)}")
    return {
        "scheme": found.get("scheme"), "secrets": secrets,
        "status": found.get("status"),
    }  # fmt: skip


def _check_build(values, path, faults):
    """Check what builds and what is needed for it, two levels deep."""
    packages = schema.mapping(
        values.get("packages", {}), f"{path}/packages", _PACKAGES, faults
    )
    for use, entries in packages.items():
        for entry in entries:
            if not system_packages.is_package(entry):
                faults.add(f"{path}/packages/{use}", f"{entry!r} is no package's name")
    if "build" not in values:
        return
    build = schema.mapping(values["build"], f"{path}/build", _BUILD, faults)
    _check_command(build.get("command"), f"{path}/build/command", faults)
    for folder in build.get("artefacts", ()):
        if not _RELATIVE.fullmatch(folder) or folder.split("/")[0] in {".", ""}:
            faults.add(
                f"{path}/build/artefacts", f"{folder!r} is no folder in a commit"
            )
    if not values.get("repository"):
        faults.add(f"{path}/build", "runs in a repository, and there is none")


_OPERATORS = frozenset({"&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1"})


def _unseen(value, _path, _faults):
    return value  # looked at by _webhook


_text = schema.text()
_PACKAGES = {
    "build": schema.Key(schema.sequence(str)),
    "run": schema.Key(schema.sequence(str)),
}
_BUILD = {
    "command": schema.Key(_text, required=True),
    "artefacts": schema.Key(schema.sequence(str)),
    "network": schema.Key(schema.boolean()),
    "timeout_s": schema.Key(schema.integer(1, 7200)),
}
# What Schemathesis looks at. By default whether each answer is one that the schema
# tells of: its body is compared only where its status and its type are known there.
_ANSWERS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_schema_conformance",
)  # fmt: skip
# More judges how a service takes wrong input, which many schemas say nothing of.
_CHECKS = (
    *_ANSWERS, "response_headers_conformance", "negative_data_rejection",
    "positive_data_acceptance", "missing_required_header", "unsupported_method",
    "allow_header_conformance", "use_after_free", "ensure_resource_availability",
    "ignored_auth",
)  # fmt: skip
_WEBHOOK = {
    "scheme": schema.Key(schema.one_of(*webhooks.SCHEMES), required=True),
    "secret": schema.Key(_unseen, required=True),
    "status": schema.Key(schema.table()),
}
_STATUS = {
    "api": schema.Key(schema.text(re.compile(r"https?://[^\s@]+")), required=True),
    "token": schema.Key(
        schema.check(
            lambda value: isinstance(value, str) and re.fullmatch(r"[!-~]+", value),
            "is no text without spaces and new lines", secret=True,
        ), required=True,
    ),
}  # fmt: skip
_CONTRACT = {
    "schema": schema.Key(schema.text(_PATH, _PATH_RULE), required=True),
    "seconds": schema.Key(schema.integer(1, 3600)),
    "checks": schema.Key(schema.sequence(str)),
    "headers": schema.Key(schema.table()),
}
_SERVICE = {
    "repository": schema.Key(
        schema.check(
            lambda value: isinstance(value, str) and _REPOSITORY.fullmatch(value),
            "is no URL without a password; let the builder's git have credentials",
            secret=True,
        )
    ),
    "branch": schema.Key(
        schema.check(names.is_ref, f"is not a branch name; {names.REF_RULE}")
    ),
    "lock": schema.Key(schema.text(_RELATIVE, _RELATIVE_RULE)),
    "requirements": schema.Key(_text),
    "allow_unhashed": schema.Key(schema.boolean()),
    "extras": schema.Key(schema.sequence(str)),
    "packages": schema.Key(schema.table()),
    "build": schema.Key(schema.table()),
    "python": schema.Key(
        schema.text(re.compile(r"/[\w./-]+"), "should be a whole path, from / on")
    ),
    "packager": schema.Key(schema.one_of("nfpm", "fpm")),
    "processes": schema.Key(schema.table(), required=True),
    "port": schema.Key(schema.integer(1, 65535), required=True),
    "socket": schema.Key(schema.boolean()),
    "health": schema.Key(schema.text(_PATH, _PATH_RULE)),
    "suite": schema.Key(schema.text(_RELATIVE, _RELATIVE_RULE)),
    "suite_lock": schema.Key(schema.text(_RELATIVE, _RELATIVE_RULE)),
    "checks": schema.Key(schema.sequence()),
    "contract": schema.Key(schema.table()),
    "webhook": schema.Key(schema.table()),
    "settings": schema.Key(schema.table()),
    "files": schema.Key(schema.table()),
}
