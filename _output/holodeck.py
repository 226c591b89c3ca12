"""
Render what the ``holodeck`` runner returns, and its progress, for people.

Stands alone: Salt loads outputters without the pack's shared code.
"""

_TOOLS = ("uv", "nfpm", "fpm", "zstd")
_SHORT = 12
# A reason and its indent fill a line of 80.
_WHY = 76


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
    first, *rest = str(event["message"]).splitlines() or [""]
    lines = [f"{event['phase']:>9}  {first}"]
    return "\n".join(lines + [f"{'':>9}  {line}" for line in rest])


def _error(text):
    return f"holodeck: {text}"


def _release(record):
    commit = (record["commit"] or "?")[:_SHORT]
    where = f"{record['service']} in {record['environment']}"
    if record["status"] != "good":
        return _failed(record, where)
    if record.get("unchanged"):
        told = ", ".join(record.get("told", ()))
        done = f"only balancers were told: {told}" if told else "nothing was changed"
        return f"{where} is already at {commit} ({record['id']}); {done}."
    phases = _phases(record)
    verb = "is back at" if record["kind"] == "rollback" else "is at"
    outside = record.get("failed") or {}
    lines = [f"{where} {verb} {commit}: {record['id']} is good."]
    if fresh := record.get("fresh"):
        lines.append(f"  {', '.join(fresh)} took the place of the hosts before.")
    lines += [f"  {h} failed, is out of rotation: {why}" for h, why in outside.items()]
    return "\n".join([*lines, phases])


def _failed(record, where):
    """Say what went wrong, and what people see now."""
    reason = record["reason"].splitlines()
    lines = [f"{where}: {record['id']} is {record['status']}: {reason[0]}"]
    lines += [f"  {line[:_WHY]}" for line in reason[1:4]]
    back = record.get("back", {})
    lines += [f"  {host} {words.splitlines()[0]}" for host, words in back.items()]
    if not back:
        lines.append("  No host was switched.")
    unserved = record.get("unserved", {})
    lines += [f"  Nobody serves: {how} at {b}." for b, how in unserved.items()]
    return "\n".join([*lines, f"  More: salt-run holodeck.show {record['id']}"])


def _wished(record):
    """Say what was asked of a release that runs."""
    name = record["id"] if record else "The release"
    return f"{name} was asked to; `salt-run holodeck.status` shows how it goes on."


def _aborted(record):
    if record and record["status"] == "aborted":
        where = f"{record['service']} in {record['environment']}"
        return _failed(record, where)
    return _wished(record)


def _expired(names):
    return f"Destroyed: {', '.join(names)}" if names else "Nothing's time is over."


def _pushed(outcomes):
    """Say what came of each push that waited."""
    lines = []
    for each in outcomes:
        first, *rest = each["reason"].splitlines() or [""]
        lines.append(f"{each['release']}: {each['state']}{first and ': '}{first}")
        lines += [f"  {line[:_WHY]}" for line in rest[:3]]
    return "\n".join(lines) or "No push waits, or somebody releases it already."


def _frozen(facts):
    return f"Frozen by {facts['user']}: no release until holodeck.unfreeze."


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
    return "\n".join([head, table, *_beside(place)])


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
        said += [line, f"    {_why(row)}"] if _why(row) else [line]
    return "\n".join(said)


def _why(row):
    back = f"back to {row['to']}" if row.get("to") else ""
    waits = f"waits: {row['waiting']}" if row.get("waiting") else ""
    words = row.get("reason") or waits or row.get("message") or back
    return " ".join(words.split())[:_WHY]


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
    lines += _made_of(record.get("bundle") or {})
    for part in ("bundle", "suite"):
        for layer in (record.get(part) or {}).get("layers", []):
            lines.append(_field(part, f"{layer['filename']} {layer['size']} bytes"))
            lines.append(_field("", f"sha256 {layer['sha256']}"))
            lines.append(_field("", f"tree   {layer['tree']}"))
            if layer.get("needs"):
                lines.append(_field("", f"needs  {', '.join(layer['needs'])}"))
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
    first, *rest = str(value).splitlines() or [""]
    return "\n".join([f"  {key:<11}{first}", *(f"  {'':<11}{line}" for line in rest)])


def _plan(plan):
    commit, old = plan["commit"][:_SHORT], (plan["from"] or "nothing")[:_SHORT]
    lines = [f"{plan['service']} in {plan['environment']}: {old} -> {commit}"]
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
    lines = [f"Written: {found['file']}. Left to do:"]
    return "\n".join([*lines, *(f"  {each}" for each in found["left"])])


def _created(found):
    """Say what was made and what goes, and which hosts there are now."""
    lines = []
    for verb, hosts in (("Created", found["created"]),
                        ("Destroyed", found.get("destroyed"))):  # fmt: skip
        lines += [f"{verb}: {', '.join(hosts)}."] if hosts else []
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
    return "\n".join(lines) or "All is well; no machine and no key is left over."


def _destroyed(hosts):
    return f"Destroyed: {', '.join(hosts)}." if hosts else "No host was there."


def _table(head, rows):
    columns = zip(head, *rows, strict=True)
    widths = [max(len(cell) for cell in column) for column in columns]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (head, *rows)
    )
    return "\n".join(f"  {line}".rstrip() for line in lines)


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
