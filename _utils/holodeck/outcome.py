"""The four things a state can say, and what a failed run of states said."""

#: What Salt puts in the place of what is larger than its ``max_event_size``.
TRIMMED = "VALUE_TRIMMED"


def unchanged(name, comment):
    """Everything is as it should be."""
    return _outcome(name, True, {}, comment)


def foreign(name, label, platform):
    """What was built for another system is left alone: it would not run here."""
    why = f"{label} was built for {platform}, and this host is another system"
    return _outcome(name, True, {}, f"{why}: left alone until it is released anew.")


def planned(name, changes, comment):
    """Test mode: this would change."""
    return _outcome(name, None, changes, comment)


def changed(name, changes, comment):
    """This was changed."""
    return _outcome(name, True, changes, comment)


def failed(name, comment, changes=None):
    """It could not be done; ``changes`` are those that happened all the same."""
    return _outcome(name, False, changes or {}, comment)


def _outcome(name, result, changes, comment):
    return {"name": name, "result": result, "changes": changes, "comment": comment}


def failures(states):
    """Return one line for each state of a run that failed, in their order."""
    if not isinstance(states, dict):
        lines = states if isinstance(states, list) else [states or ""]
        return [str(line) for line in lines if line] or ["no states ran"]
    found = [state for state in states.values() if isinstance(state, dict)]
    failed = [state for state in found if state.get("result") is False]
    if not failed:
        return [str(states)]
    ordered = sorted(failed, key=lambda state: state.get("__run_num__", 0))
    return [f"{s.get('__id__', s.get('name'))}: {s['comment']}" for s in ordered]
