"""The new bundle, and the one to go back to, on every host before any is switched."""

from holodeck import names
from holodeck_io.errors import HolodeckError
from holodeck_master import building, stages


def stage(run):
    """
    Bring the bundles to every host and the suite to every tester.

    Where the last good release could not start any more, the run goes on without a way
    back, and its record says so.
    """
    bundles = [run.record["bundle"]]
    check_platform(run, run.hosts)
    _give_up_stranded(run)
    if run.last:
        bundles.append(run.last["bundle"])
    _check_roots(run, bundles)
    _check_way_back(run)
    # Without any there is a reason that says so.
    stages.testers(run.plan.environment)
    placed = {"web": bundles, "tester": [run.record["suite"]]}
    stages.stage(run.world, run.plan, placed)
    run.world.say("stage", f"{len(run.hosts)} hosts hold the same bytes")


def check_platform(run, hosts):
    """
    Refuse what was built for another system than hosts have that have it not yet.

    Raises :class:`~holodeck_io.errors.HolodeckError` for the first of them.
    """
    for host in run.without(run.record["deployment"], hosts):
        platform = run.statuses.get(host, {}).get("platform")
        if platform and building.is_foreign(run.record, platform):
            commit = names.short(run.record["commit"])
            built = run.record["bundle"]["platform"]
            raise HolodeckError(
                f"{host}: is {platform}, and commit {commit} was built for {built}; "
                "all hosts of an environment have one system, and a release by the "
                "commit's id builds it for that."
            )


def _give_up_stranded(run):
    """Go on without a way back where the last good release could not start."""
    if why := run.last and _why_it_cannot_start(run):
        run.homeless = f"{run.no_way()}: {why}"
        run.world.say("stage", run.homeless)
        # Before a host gets other bytes in its place, which outlive this release.
        run.record["gave_up"] = run.last["id"]
        run.save()
        run.last = None


def _why_it_cannot_start(run):
    """Return why hosts could not start the last good release, or ``""``."""
    # In a release all hosts are of one system, which what was built now is for.
    is_release = run.record["kind"] == "release"
    foreign = [host for host in run.hosts if is_release and _is_foreign(run, host)]
    if foreign:
        return f"it was built for another system than {', '.join(foreign)} has"
    stranded = [host for host in run.hosts if run.service_on(host).get("stranded")]
    return f"its Python is gone from {', '.join(stranded)}" if stranded else ""


def _is_foreign(run, host):
    """Tell whether it is new, and of another system than the last good release."""
    status = run.statuses.get(host, {})
    is_new = status and not run.service_on(host)
    return is_new and building.is_foreign(run.last, status["platform"])


def _check_roots(run, bundles):
    """One place cannot hold two trees: the same commit built differently."""
    trees = {}
    for layer in (layer for bundle in bundles for layer in bundle["layers"]):
        if trees.setdefault(layer["root"], layer["tree"]) != layer["tree"]:
            raise HolodeckError(
                f"Bundle {layer['root']}: is built differently than in "
                f"{run.last['id']}, from the same commit (another lock, Python "
                "or packager). Make a commit of the change and release that."
            )


def _check_way_back(run):
    """Each host that runs the service has the configuration to go back to."""
    there = [host for host in run.hosts if run.service_on(host)]
    without = run.last and run.without(run.last["deployment"], there)
    if without:
        run.world.say(
            "stage",
            f"{', '.join(without)}: has not the configuration of "
            f"{run.last['id']}, and stays out of rotation should this fail",
        )
