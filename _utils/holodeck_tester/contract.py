"""A service's OpenAPI schema held against one host, by Schemathesis."""

import json
import re
import time
import uuid

from holodeck import masking, names
from holodeck_http import results
from holodeck_tester import contract_report, invocation, jobs, reporting, session

#: Seconds beyond the given ones: to start, to load the schema, to end a last request.
GRACE_S = 30

_READS = ("GET", "HEAD", "OPTIONS")
# Of an operation that may only be read, it would try PUT, PATCH and DELETE too.
_READ_ONLY = "[phases.coverage]\nunexpected-methods = []\n"
_SECONDS_MAX = 3600
_FIELDS = ("schema", "seconds", "checks", "headers")
_CHECK = re.compile(r"[a-z_]+")
_OUTPUT_CHARS = 4000


def problems(contract):
    """Return every fault of a contract as ``path: rule`` texts."""
    if not isinstance(contract, dict) or set(contract) != set(_FIELDS):
        return [f"contract: should be a mapping with {', '.join(_FIELDS)}."]
    found = []
    schema, seconds, checks, headers = (contract[field] for field in _FIELDS)
    if not isinstance(schema, str) or not schema.startswith("/"):
        found.append(
            f"contract/schema: {schema!r} should be a path that starts with /."
        )
    if type(seconds) is not int or not 1 <= seconds <= _SECONDS_MAX:
        found.append(f"contract/seconds: {seconds!r} should be 1 to {_SECONDS_MAX}.")
    named = isinstance(checks, list) and checks
    if not named or not all(_CHECK.fullmatch(str(check)) for check in checks):
        found.append(f"contract/checks: {checks!r} should be Schemathesis's names.")
    if not isinstance(headers, dict) or not all(
        names.is_header(name) and isinstance(value, str)
        for name, value in headers.items()
    ):
        found.append("contract/headers: should be a mapping of header to its value.")
    return found


def settings_file(target, contract, *, allow_writes):
    """
    Return the text of Schemathesis's file of settings.

    It takes the place of ``${NAME}`` in a header from the environment; on the command
    line everybody on the tester would see it, and it would hide those of the file.
    """
    headers = dict(contract["headers"])
    if target.get("host"):
        headers["Host"] = target["host"]
    # A JSON string is one of TOML's too.
    lines = [f"{json.dumps(name)} = {json.dumps(v)}" for name, v in headers.items()]
    return "\n".join(["[headers]", *lines, "" if allow_writes else _READ_ONLY])


def argv(python, target, contract, *, config, report, cases, allow_writes):
    """
    Return the command that tests one host.

    python
        The bundle's interpreter.
    target
        One entry of a list of targets.
    contract
        ``{schema, seconds, checks, headers}``.
    config
        Schemathesis's file of settings; without one it takes any that it finds in a
        folder above.
    report, cases
        The files for its JSON report and for JUnit's.
    """
    url = target["url"].rstrip("/")
    command = [str(python), "-m", "schemathesis.cli", f"--config-file={config}"]
    command += ["--no-color", "run", url + contract["schema"]]
    # The schema's own servers may be others: only their path counts.
    command += [f"--origin={url}", "--max-redirects=0"]
    command += [f"--max-time={contract['seconds']}", "--seed=1"]
    command += [f"--checks={','.join(contract['checks'])}", "--warnings=off"]
    command += ["--generation-database=none", "--report=json,junit"]
    command += [f"--report-json-path={report}", f"--report-junit-path={cases}"]
    if not allow_writes:
        command += [f"--include-method={method}" for method in _READS]
    for option, key in (("--tls-verify", "ca"), ("--request-cert", "cert"),
                        ("--request-cert-key", "key")):  # fmt: skip
        command += [f"{option}={target[key]}"] if target.get(key) else []
    return command


def run(folder, python, commit, target, contract, *, allow_writes, settings):
    """
    Test one host; return its entry, as :func:`holodeck_http.results.judge` has it.

    folder
        Where the reports and what was printed are kept.
    settings
        What the definition gives to the suite; nothing that is kept shows them.
    """
    begin = time.monotonic()
    with jobs.work_folder() as work:
        entry = _run(
            work, folder, python, commit, target, contract, allow_writes, settings
        )
    entry["seconds"] = round(time.monotonic() - begin, 3)
    name = target["name"]
    capped = results.cap({"targets": {name: entry}})
    return {**capped["targets"][name], "truncated": capped.get("truncated", False)}


def _run(work, folder, python, commit, target, contract, allow_writes, settings):
    config = work / "schemathesis.toml"
    config.write_text(settings_file(target, contract, allow_writes=allow_writes))
    user = session.unprivileged()
    home = session.home(work / "home", user)
    report, cases, log = (folder / f"contract.{x}" for x in ("json", "xml", "log"))
    status, timed_out = session.run(
        argv(
            python, target, contract, config=config, allow_writes=allow_writes,
            report=home / report.name, cases=home / cases.name,
        ),
        env=invocation.environment(
            library=home,
            home=home,
            commit=commit,
            run_id=uuid.uuid4().hex,
            settings=settings,
        ),
        cwd=home,
        log=work / log.name,
        seconds=contract["seconds"] + GRACE_S,
        user=user,
    )  # fmt: skip
    mask = masking.Mask(settings.values())
    for source in (home / report.name, home / cases.name):
        reporting.take(source, folder / source.name, mask.text)
    reporting.take_log(work / log.name, log, mask.text)
    entry = contract_report.judge(
        reporting.text(report),
        reporting.text(cases),
        exit_status=status,
        timed_out=timed_out,
        output=reporting.text(log)[-_OUTPUT_CHARS:],
    )
    # Once more, for what the reports' own way of writing had hidden.
    return {**entry, "failures": mask.data(entry["failures"])}
