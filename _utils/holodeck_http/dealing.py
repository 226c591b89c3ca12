"""
Who tests what: targets dealt to testers, and files where there are fewer targets.

Pure. A tester that gets a part of the files computes it from the suite itself, which is
the same bytes on each of them.
"""


def assign(testers, targets):
    """
    Return ``{tester: [target, …]}``; a tester that would get nothing is left out.

    Each target goes to one tester as a whole. With more testers than targets several
    share one, each with ``part``: ``[which, of how many]``.
    """
    dealt = {}
    for number, target in enumerate(targets):
        sharers = testers[number % len(testers) :: len(targets)]
        if len(targets) >= len(testers):
            sharers = sharers[:1]
        for part, tester in enumerate(sharers):
            share = {"part": [part, len(sharers)]} if len(sharers) > 1 else {}
            dealt.setdefault(tester, []).append({**target, **share})
    return dealt


def files_of(sizes, which, parts):
    """
    Return the files that one of several testers runs, evenly by their tests.

    sizes
        ``{file: number of its tests}``, the same for each tester.
    which, parts
        This tester's number, from 0, and how many share.
    """
    loads, mine = [0] * parts, set()
    # The largest first; a tie goes by name, so that all testers deal alike.
    for file in sorted(sizes, key=lambda name: (-sizes[name], name)):
        lightest = loads.index(min(loads))
        loads[lightest] += sizes[file]
        if lightest == which:
            mine.add(file)
    return mine
