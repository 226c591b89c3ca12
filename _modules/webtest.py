"""
Run a service's HTTP suite from this minion against live targets.

The suite and its Python come from the bundle ``SERVICE-suite``; the pytest
plugin comes with this pack. It runs as a user that nothing else has. Results are kept
in ``/var/lib/holodeck/webtest/SERVICE/COMMIT/``.
"""

import os
import time
from pathlib import Path, PurePosixPath

from salt.exceptions import SaltInvocationError

from holodeck import names
from holodeck_http import checks as http_checks
from holodeck_http import results
from holodeck_io import pillar
from holodeck_io.errors import HolodeckError
from holodeck_tester import contract as contracts
from holodeck_tester import invocation, jobs, probes, reporting
from holodeck_tester import standby as standbys

_REPORTS = f"{names.STATE}/webtest"
_DEADLINE_MAX_S = 7200


def run(
    name,
    commit,
    targets,
    suite=None,
    checks=None,
    deadline_s=300,
    test_s=60,
    ready=None,
    ready_s=15,
    allow_writes=False,
    bundle=None,
    reports=None,
    mark="",
    standby=None,
):
    r"""
    Run the suite and the checks of a service against each target.

    name
        The service.
    commit
        The full commit id that should be running; tests see it as
        ``HOLODECK_COMMIT``.
    targets
        A list of ``{name, kind, url}``: ``kind`` is ``host`` or ``balancer``.
        Optional are ``host`` (the ``Host`` header and TLS server name), ``ca`` (a
        file of certificates to trust), ``cert`` and ``key`` (files of a client's
        certificate), and ``part`` (``[0, 2]``: the first half of the suite's files,
        where two testers share the target).
    suite
        The suite's path inside the bundle; ``suite`` by default. Optional when
        there are checks.
    checks
        A list of checks as data; see :mod:`holodeck_http.checks`.
    deadline_s
        Seconds for all targets together. What runs then is killed with all it
        started, what waits is reported as ``not-run``.
    test_s
        Seconds for each test.
    ready
        A path to wait for before the first test: a 2xx, and where the answer has a
        header ``X-Holodeck-Commit``, that of the commit.
    ready_s
        Seconds to wait for that.
    allow_writes
        Also run tests marked ``writes``.
    bundle
        The root of the tester's bundle;
        ``/opt/holodeck/SERVICE-suite/COMMIT`` by default.
    reports
        The folder for full reports; ``/var/lib/holodeck/webtest`` by default.
    mark
        That of the pillar which is meant: where ``holodeck:mark`` of the one in
        memory is the same, no other is compiled for the suite's settings.
    standby
        The name that :py:func:`stand_by` was called with; where nothing stands by under
        it, the run does without.

    Returns ``{"ok", "targets", "report", "sha256"}``. ``targets`` gives for each
    name ``state`` (``passed``, ``failed``, ``error``, ``timeout``, ``not-run``,
    ``no-tests`` or ``unreachable``), ``counts``, ``failures``, ``seconds`` and
    ``http``, percentiles of its requests in ms. ``matrix`` tells how each test ended
    on each target. At most 256 KiB; ``truncated`` says when something was cut.
    ``report`` is the path of the full JSON lines on this minion.

    Raises ``SaltInvocationError`` for wrong arguments and
    :class:`~holodeck_io.errors.HolodeckError` when the tester lacks what the run needs.

    CLI Example:

    .. code-block:: bash

        salt tester1 webtest.run guestbook 4f2c1e90b7a1c5d2e8f3a6b4c7d8e9f0a1b2c3d4 \
            targets='[{name: web1, kind: host, url: "http://10.0.0.7:8000"}]'
    """
    times = {"deadline_s": deadline_s, "test_s": test_s, "ready_s": ready_s}
    _check_arguments(name, commit, targets, checks, times, standby)
    settings = _settings(name, mark)
    end = time.monotonic() + deadline_s
    python, suite_folder = _tools(_bundle(name, commit, bundle), suite, checks)
    folder = _folder(reports, name, commit)
    options = [f"--http-test-s={test_s}", f"--http-ready-s={ready_s}"]
    options += [f"--http-ready={ready}"] if ready else []
    options += ["--http-allow-writes"] if allow_writes else []
    with jobs.job(folder, python, commit, options, settings, standby) as job:
        job.add(suite_folder, checks)
        told = job.test_all(targets, end)
    entries = {target: entry for target, (entry, _) in told.items()}
    summary = results.merge([target["name"] for target in targets], entries)
    summary["matrix"] = results.matrix({name: own for name, (_, own) in told.items()})
    return results.cap(reporting.written(folder, summary))


def stand_by(name, commit, standby, bundle=None, mark=""):
    r"""
    Have a pytest there for the runs of other jobs, and return when it has ended.

    What it imports no run imports again. It ends with :py:func:`dismiss`, when nobody
    wants it for 5 minutes, and after a run that was killed.

    name, commit, bundle, mark
        As for :py:func:`run`.
    standby
        A name for it, that of the release.

    CLI Example:

    .. code-block:: bash

        salt --async tester1 webtest.stand_by guestbook \
            4f2c1e90b7a1c5d2e8f3a6b4c7d8e9f0a1b2c3d4 guestbook.staging.12
    """
    problems = [*_identity_problems(name, commit), *standbys.problems(standby)]
    if problems:
        raise SaltInvocationError("webtest.stand_by: " + "\n".join(problems))
    python = _python(_bundle(name, commit, bundle))
    settings = _settings(name, mark)
    with jobs.job(None, python, commit, [], settings, standby) as job:
        job.stand_by()


def dismiss(standby):
    """
    End what stands by under a name, and the runs that it has.

    CLI Example:

    .. code-block:: bash

        salt tester1 webtest.dismiss guestbook.staging.12
    """
    if problems := standbys.problems(standby):
        raise SaltInvocationError("webtest.dismiss: " + "\n".join(problems))
    standbys.dismiss(standby)


def contract(
    name, commit, target, contract, allow_writes=False, bundle=None, reports=None,
    mark="",
):  # fmt: skip
    r"""
    Hold a service's own OpenAPI schema against one target, by Schemathesis.

    It makes requests from the schema, valid ones and others, and looks at whether each
    answer is what the schema says.

    name, commit, bundle, reports, mark
        As for :func:`run`. The bundle has Schemathesis where the service has a
        contract.
    target
        One entry as in the list of :func:`run`, without ``part``.
    contract
        ``schema``, its path on the service; ``seconds`` that the test lasts;
        ``checks``, the names of Schemathesis's checks; and ``headers`` of each request,
        where ``${NAME}`` is the suite's setting of that name.
    allow_writes
        Without it only the operations that are GET, HEAD or OPTIONS are tested, and
        nothing else is sent.

    Returns ``{"state", "counts", "failures", "seconds", "report"}``, as :func:`run` has
    them for each target: each count is one of operations, ``report`` the folder with
    the full reports on this minion. Operations that were not reached in time make it a
    ``timeout``.

    Raises ``SaltInvocationError`` for wrong arguments and
    :class:`~holodeck_io.errors.HolodeckError` when the tester lacks what the run needs.

    CLI Example:

    .. code-block:: bash

        salt tester1 webtest.contract guestbook \
            4f2c1e90b7a1c5d2e8f3a6b4c7d8e9f0a1b2c3d4 \
            '{name: web1, kind: host, url: "http://10.0.0.7:8000"}' \
            '{schema: /openapi.json, seconds: 60, checks: [not_a_server_error],
              headers: {}}'
    """
    problems = [*_identity_problems(name, commit), *contracts.problems(contract)]
    problems += invocation.target_problems([target])
    if problems:
        raise SaltInvocationError("webtest.contract: " + "\n".join(problems))
    python = _python(_bundle(name, commit, bundle))
    folder = _folder(reports, name, commit)
    entry = contracts.run(
        folder, python, commit, target, contract,
        allow_writes=allow_writes, settings=_settings(name, mark),
    )  # fmt: skip
    reporting.prune(folder.parents[1])
    return {**entry, "report": str(folder)}


def probe(
    name, commit, targets, paths, per_second=10, seconds=3600, bundle=None, turn=""
):
    r"""
    Start a steady load on targets, in the background, in place of one that runs.

    name
        The service.
    commit
        The full commit id whose suite's bundle has what it needs.
    targets
        As in :py:func:`run`.
    paths
        What is asked for, in turn.
    per_second
        Requests in a second to all targets together.
    seconds
        When it ends by itself, should nobody ask for its result.
    bundle
        The root of the tester's bundle, as in :py:func:`run`.
    turn
        A name for this load. One that was ended before it came does not begin.

    CLI Example:

    .. code-block:: bash

        salt tester1 webtest.probe guestbook 4f2c1e90b7a1c5d2e8f3a6b4c7d8e9f0a1b2c3d4 \
            targets='[{name: lb1, kind: balancer, url: "http://10.0.0.9"}]' paths='[/]'
    """
    _check_arguments(name, commit, targets, None, {"seconds": seconds})
    python = _python(_bundle(name, commit, bundle))
    asked = {"paths": paths, "per_second": per_second, "seconds": seconds}
    probes.start(python, name, {"targets": _reached(targets), **asked}, turn)


def probed(name, turn=""):
    """
    End the load that :py:func:`probe` started, and tell what it saw.

    Returns ``[[epoch second, sent, failed, p95 in ms], …]``, of the last hour.

    CLI Example:

    .. code-block:: bash

        salt tester1 webtest.probed guestbook
    """
    return probes.end(name, turn)


def compare(name, commit, old, new, paths, seconds=5, bundle=None):
    r"""
    Send the same requests to two targets in turn, and tell how long each took.

    name, commit, bundle
        As in :py:func:`run`.
    old, new
        Two targets, as in :py:func:`run`.
    paths
        What is asked for, in turn.
    seconds
        For how long.

    Returns ``{"old", "new", "failed"}``: percentiles in ms, and how many had no good
    answer.

    CLI Example:

    .. code-block:: bash

        salt tester1 webtest.compare guestbook \
            4f2c1e90b7a1c5d2e8f3a6b4c7d8e9f0a1b2c3d4 \
            old='{name: web2, kind: host, url: "http://10.0.0.8:8000"}' \
            new='{name: web1, kind: host, url: "http://10.0.0.7:8000"}' paths='[/]'
    """
    _check_arguments(name, commit, [old, new], None, {"seconds": seconds})
    python = _python(_bundle(name, commit, bundle))
    (old, new), asked = _reached([old, new]), {"paths": paths, "seconds": seconds}
    return probes.compare(python, name, {"old": old, "new": new, **asked})


def _reached(targets):
    """Return how targets are reached, as the client takes it."""
    return [
        {key: value for key, value in target.items() if key not in {"name", "kind"}}
        for target in targets
    ]


def _bundle(name, commit, bundle):
    return Path(bundle or names.bundle_root(names.suite_bundle(name), commit))


def _folder(reports, name, commit):
    return reporting.new_folder(Path(reports or _REPORTS) / name / commit)


def _settings(name, mark):
    """Return what the definition gives to this suite; secrets stand in no job."""
    known = pillar.own(__opts__, dict(__grains__), __pillar__, mark)
    suites = known.get("suites", {})
    return suites.get(name, {})


def _check_arguments(name, commit, targets, checks, times, standby=None):
    problems = _identity_problems(name, commit)
    problems += standbys.problems(standby) if standby is not None else []
    for key, value in times.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 < value <= _DEADLINE_MAX_S:
            problems.append(
                f"{key}: {value!r} should be more than 0 seconds and at most "
                f"{_DEADLINE_MAX_S}."
            )
    problems += invocation.target_problems(targets)
    if checks:
        problems += http_checks.problems(checks)
    if problems:
        raise SaltInvocationError("webtest: " + "\n".join(problems))


def _identity_problems(name, commit):
    problems = []
    if not names.is_name(name):
        problems.append(f"name: {name!r} is not a service's name.")
    if not names.is_commit(commit):
        problems.append(f"commit: {commit!r} should be a full commit id, 40 digits.")
    return problems


def _tools(bundle, suite, checks):
    """Return the interpreter and the suite's folder, ``None`` for checks alone."""
    relative = PurePosixPath(suite or "suite")
    if relative.is_absolute() or ".." in relative.parts:
        raise SaltInvocationError(
            f"suite: {suite!r} should be a relative path inside the bundle."
        )
    python = _python(bundle)
    folder = bundle / relative
    if folder.exists():
        return python, folder
    if suite or not checks:
        raise HolodeckError(
            f"Suite {folder}: does not exist; give the suite's path in the bundle, "
            "or checks."
        )
    return python, None


def _python(bundle):
    python = bundle / "bin" / "python"
    if not os.access(python, os.X_OK):
        raise HolodeckError(
            f"Bundle {bundle}: has no bin/python; install the tester's bundle with "
            "bundle.install first."
        )
    return python
