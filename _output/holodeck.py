"""
Render what the ``holodeck`` runner returns, and its progress, for people.

Stands alone: Salt loads outputters without the pack's shared code.
"""

import shutil
import textwrap

_TOOLS = ("uv", "nfpm", "fpm", "zstd")
_SHORT = 12
# Where nobody knows the terminal's width: a pipe, a file.
_WIDE, _HIGH, _NARROW = 80, 24, 40
# Of a reason, so many lines; of one in a list, so many on the screen.
_REASON, _GLIMPSE = 4, 2


def output(data, **kwargs):
    """
    Return the text for a runner's answer or a progress event.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.status --out=holodeck
    """
    if "event" in data:
        return _progress(data["event"])
    data = data.get("data", data)
    render = _RENDERERS.get(data.get("kind"), str)
    return render(data.get(data["kind"])) if "kind" in data else str(data)


def _progress(event):
    return _fitted(event["message"], f"{event['phase']:>9}  ", " " * 11)


def _error(text):
    return _fitted(text, "holodeck: ")


def _fitted(text, head="", hang="", more="  "):
    """
    Return text that ends where the terminal does; words stay whole.

    head
        What the first line begins with.
    hang
        What the text's other lines begin with.
    more
        What is put before the rest of a line, beside its own indent.
    """
    lines = []
    for line in str(text).splitlines() or [""]:
        start = hang if lines else head
        own = line[: len(line) - len(line.lstrip())]
        lines += _wrapped(line, start, hang + own + more) or [start.rstrip()]
    return "\n".join(lines)


def _wrapped(line, start, rest, **options):
    columns = shutil.get_terminal_size((_WIDE, _HIGH)).columns
    return textwrap.wrap(
        line, max(columns, _NARROW), initial_indent=start, subsequent_indent=rest,
        **{"break_long_words": False, "break_on_hyphens": False, **options},
    )  # fmt: skip


def _answers(found):
    """Say where a service answers, as far as that is known."""
    urls = found.get("answers")
    return [_fitted(f"It answers at {', '.join(urls)}.", "  ", "  ")] if urls else []


def _release(record):
    commit = (record["commit"] or "?")[:_SHORT]
    where = f"{record['service']} in {record['environment']}"
    if record["status"] != "good":
        return _failed(record, where)
    if record.get("unchanged"):
        told = ", ".join(record.get("told", ()))
        done = f"only balancers were told: {told}" if told else "nothing was changed"
        lines = [f"{where} is already at {commit} ({record['id']});",
                 f"  {done}.", *_answers(record)]  # fmt: skip
        return "\n".join(map(_fitted, lines))
    verb = "is back at" if record["kind"] == "rollback" else "is at"
    outside = record.get("failed") or {}
    lines = [f"{where} {verb} {commit}: {record['id']} is good."]
    if fresh := record.get("fresh"):
        lines.append(f"  {', '.join(fresh)} took the place of the hosts before.")
    lines += [f"  {h} failed, is out of rotation: {why}" for h, why in outside.items()]
    lines += [*_answers(record), _phases(record)]
    return "\n".join(map(_fitted, lines))


def _failed(record, where):
    """Say what went wrong, and what people see now."""
    reason = record["reason"].splitlines()
    lines = [f"{where}: {record['id']} is {record['status']}: {reason[0]}"]
    lines += [f"  {line}" for line in reason[1:_REASON]]
    back = record.get("back", {})
    lines += [f"  {host} {words.splitlines()[0]}" for host, words in back.items()]
    if not back:
        lines.append("  No host was switched.")
    unserved = record.get("unserved", {})
    lines += [f"  Nobody serves: {how} at {b}." for b, how in unserved.items()]
    # Each test stands in the report, which shows what the service answered.
    where = "report" if reason[0].startswith("The suite") else "show"
    lines.append(f"  More: salt-run holodeck.{where} {record['id']}")
    return "\n".join(map(_fitted, lines))


def _wished(record):
    """Say what was asked of a release that runs."""
    name = record["id"] if record else "The release"
    how = "`salt-run holodeck.status` shows how it goes on"
    return _fitted(f"{name} was asked to; {how}.")


def _aborted(record):
    if record and record["status"] == "aborted":
        where = f"{record['service']} in {record['environment']}"
        return _failed(record, where)
    return _wished(record)


def _expired(names):
    said = f"Destroyed: {', '.join(names)}" if names else "Nothing's time is over."
    return _fitted(said)


def _pushed(outcomes):
    """Say what came of each push that waited."""
    lines = []
    for each in outcomes:
        first, *rest = each["reason"].splitlines() or [""]
        lines.append(f"{each['release']}: {each['state']}{first and ': '}{first}")
        lines += [f"  {line}" for line in rest[: _REASON - 1]]
    said = "\n".join(map(_fitted, lines))
    return said or "No push waits, or somebody releases it already."


def _frozen(facts):
    return _fitted(f"Frozen by {facts['user']}: no release until holodeck.unfreeze.")


def _unfrozen(_):
    return "Releases are allowed again."


def _phases(record):
    parts = [f"{p['name']} {p['seconds']} s" for p in record["phases"]]
    total = sum(p["seconds"] for p in record["phases"])
    return f"{', '.join(parts)}; {total:.1f} s in all."


def _status(places):
    return "\n\n".join(_place(place) for place in places) or "Nothing is defined."


def _place(place):
    release = place["release"]
    head = f"{place['service']} in {place['environment']}: "
    if release:
        head += f"{release['commit'][:_SHORT]} ({release['id']}, {release['ended']})"
    else:
        head += "no good release yet"
    newest = place["newest"]
    if newest and newest["status"] != "good":
        reason = str(newest.get("reason") or newest.get("waiting") or "").splitlines()
        said = f": {reason[0]}" if reason else ""
        head += f"\n  newest: {newest['id']} is {newest['status']}{said}"
    if frozen := place.get("frozen"):
        why = f": {frozen['message']}" if frozen.get("message") else ""
        head += f"\n  frozen by {frozen['user']} since {frozen['since']}{why}"
    rows = [
        (
            row["host"],
            (row["commit"] or "-")[:_SHORT],
            ", ".join(row["rotation"]),
            "; ".join(row["drift"]) or ("as released" if release else "-"),
        )
        for row in place["hosts"]
    ]
    table = _table(("host", "commit", "rotation", "state"), rows)
    beside = [_fitted(line) for line in _beside(place)]
    answers = _answers(place) if release else []
    return "\n".join([_fitted(head), table, *beside, *answers])


def _beside(place):
    """Name the hosts that came, or were, in the others' place."""
    if incoming := place.get("incoming"):
        hosts = ", ".join(incoming["hosts"])
        yield f"  to come: {hosts}, of {incoming['release']}"
    if kept := place.get("kept"):
        hosts = ", ".join(kept["hosts"])
        yield f"  kept until {kept['until']}: {hosts}, at {kept['release']}"


def _history(rows):
    if not rows:
        return "No release yet."
    table = _table(
        ("release", "status", "commit", "started", "seconds"),
        [
            (
                row["id"],
                row["status"],
                (row.get("commit") or "-")[:_SHORT],
                row["started"].replace("T", " ")[:16],
                str(row["seconds"]),
            )
            for row in rows
        ],
    )
    head, *lines = table.splitlines()
    said = [head]
    for line, row in zip(lines, rows, strict=True):
        said += [line, *_why(row)]
    return "\n".join(said)


def _why(row):
    """Return the beginning of why a release was as it was; ``show`` has all of it."""
    back = f"back to {row['to']}" if row.get("to") else ""
    waits = f"waits: {row['waiting']}" if row.get("waiting") else ""
    words = row.get("reason") or waits or row.get("message") or back
    return _wrapped(
        " ".join(words.split()), "    ", "    ", max_lines=_GLIMPSE, placeholder=" …",
        break_long_words=True,
    )  # fmt: skip


def _show(record):
    lines = [f"{record['id']}: {record['kind']}, {record['status']}"]
    for key in ("commit", "ref", "to", "deployment", "previous", "user", "message",
                "started", "ended", "reason"):  # fmt: skip
        lines += [_field(key, record[key])] if record.get(key) else []
    lines.append(_field("phases", _phases(record)))
    back = record.get("back", {})
    lines += [_field("back", f"{host}: {words}") for host, words in back.items()]
    failed = record.get("failed") or {}
    lines += [_field("failed", f"{host}: {why}") for host, why in failed.items()]
    lines += [_field("report", record["report"])] if record.get("report") else []
    lines += _made_of(record.get("bundle") or {})
    for part in ("bundle", "suite"):
        for layer in (record.get(part) or {}).get("layers", []):
            lines.append(_field(part, f"{layer['filename']} {layer['size']} bytes"))
            lines.append(_field("sha256", layer["sha256"]))
            lines.append(_field("tree", layer["tree"]))
            if layer.get("needs"):
                lines.append(_field("needs", ", ".join(layer["needs"])))
    return "\n".join(lines)


def _made_of(bundle):
    """Return what a bundle is made of and by, and what its build warned of."""
    facts = bundle.get("provenance", {})
    tools = [f"{tool} {facts[tool]}" for tool in _TOOLS if facts.get(tool)]
    lines = []
    if tools:
        lines.append(_field("built by", f"{facts['python']}; {', '.join(tools)}"))
        lines.append(_field("lock", f"{facts['lock'] or 'in the definition'}, sha256"))
        lines.append(_field("", facts["lock_sha256"]))
    if parts := bundle.get("sbom", {}).get("components"):
        many = f"{len(parts)} packages; --out=json has the SBOM"
        lines.append(_field("materials", many))
    return lines + [_field("warning", text) for text in bundle.get("warnings", [])]


def _field(key, value):
    return _fitted(value, f"  {key:<11}", " " * 13, "")


def _plan(plan):
    commit, old = plan["commit"][:_SHORT], (plan["from"] or "nothing")[:_SHORT]
    lines = [_fitted(f"{plan['service']} in {plan['environment']}: {old} -> {commit}")]
    if plan["unchanged"]:
        lines.append(_field("result", "the same release again; nothing would change"))
    lines += [_field("", f"{c['commit'][:_SHORT]} {c['subject']}")
              for c in plan["commits"]]  # fmt: skip
    lines.append(_field("config", plan["configuration"]))
    lines += [_field("", f"{key}: {how}") for key, how in plan["settings"].items()]
    lines += [_field("packages", text) for text in _packages(plan["dependencies"])]
    lines.append(_field("create", ", ".join(plan["create"]) or "no host is missing"))
    lines.append(_field("build", "built before" if plan["built"] else "to be built"))
    batches = " | ".join(", ".join(batch) for batch in plan["batches"])
    lines += [_field("batches", batches)] if batches else []
    for key in ("replaced", "destroyed"):
        lines += [_field(key, ", ".join(plan[key]))] if plan.get(key) else []
    if plan["seconds"]:
        lines.append(_field("usually", f"{plan['seconds']} s"))
    return "\n".join(lines)


def _packages(changed):
    if changed is None:
        return ["not known before the build"]
    return [f"{name} {old or 'none'} -> {new or 'none'}"
            for name, (old, new) in changed.items()] or ["unchanged"]  # fmt: skip


def _test(result):
    rows = [
        (target, entry["state"], str(entry["counts"].get("passed")), _p95(entry))
        for part in ("hosts", "balancers")
        for target, entry in result[part].get("rows", {}).items()
    ]
    return _table(("target", "state", "passed", "p95"), rows)


def _p95(entry):
    http = entry.get("http")
    return f"{http['p95']} ms" if http else "-"


def _report(paths):
    return "\n".join(paths.values())


def _metrics(found):
    if "file" in found:
        return f"Written: {found['file']}"
    return found["text"].rstrip("\n")


def _begun(found):
    """Print the text, or say where it is and what is left to do."""
    if "text" in found:
        return found["text"].rstrip("\n")
    lines = [_fitted(f"Written: {found['file']}. Left to do:")]
    return "\n".join([*lines, *(_fitted(each, "  ", "  ") for each in found["left"])])


def _created(found):
    """Say what was made and what goes, and which hosts there are now."""
    lines = []
    for verb, hosts in (("Created", found["created"]),
                        ("Destroyed", found.get("destroyed"))):  # fmt: skip
        lines += [_fitted(f"{verb}: {', '.join(hosts)}.")] if hosts else []
    for role, hosts in found["hosts"].items():
        scaled = found["scaled"].get(role)
        more = f" ({scaled[0]}; the definition says {scaled[1]})" if scaled else ""
        lines.append(_field(role, ", ".join(hosts) + more))
    return "\n".join(lines)


def _checked(found):
    lines = [f"Removed: {', '.join(found['removed'])}."] if found["removed"] else []
    for orphan in found["orphans"]:
        name, environment = orphan["name"], orphan["environment"]
        if orphan["kind"] == "key":
            why = "its key is accepted, and it has no machine"
        else:
            why = f"is a machine at {orphan['provider']}, and no host of {environment}"
        if not orphan["made"]:
            how = "salt-key -d" if orphan["kind"] == "key" else "salt-cloud -d"
            why += f"; not made by this master: `{how} {name}`"
        lines.append(f"{name}: {why}")
    lines += [f"{fault['name']}: {fault['why']}" for fault in found["faults"]]
    if any(orphan["made"] for orphan in found["orphans"]):
        lines.append(
            "`salt-run holodeck.check remove=True` removes what this master made."
        )
    said = "\n".join(map(_fitted, lines))
    return said or "All is well; no machine and no key is left over."


def _destroyed(hosts):
    said = f"Destroyed: {', '.join(hosts)}." if hosts else "No host was there."
    return _fitted(said)


def _table(head, rows):
    """The last column goes on below itself, where the terminal ends."""
    columns = zip(*(row[:-1] for row in (head, *rows)), strict=True)
    widths = [max(len(cell) for cell in column) for column in columns]
    lines = []
    for *cells, last in (head, *rows):
        row = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        start = f"  {'  '.join(row)}  "
        lines += _wrapped(last, start, " " * len(start)) or [start]
    return "\n".join(line.rstrip() for line in lines)


_RENDERERS = {
    "error": _error,
    "release": _release,
    "expire": _expired,
    "push": _pushed,
    "rollback": _release,
    "resume": _release,
    "abort": _aborted,
    "pause": _wished,
    "promote": _wished,
    "freeze": _frozen,
    "unfreeze": _unfrozen,
    "status": _status,
    "history": _history,
    "show": _show,
    "plan": _plan,
    "report": _report,
    "test": _test,
    "metrics": _metrics,
    "init": _begun,
    "create": _created,
    "scale": _created,
    "check": _checked,
    "destroy": _destroyed,
}
