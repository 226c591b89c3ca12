"""What would keep a release from working: found beforehand, with what mends it."""

import shutil
import time
from pathlib import Path

from holodeck import fields
from holodeck_io.errors import HolodeckError
from holodeck_master import building, ledger
from holodeck_master.environments import platform_of

_ASK_S = 40
# Room for a large bundle, its packages, and what they are unpacked beside.
_ROOM_MB = 500
# A report's times would lie, and the way of a record's; TLS is less patient still.
_SKEW_S = 30
# docs/install.rst tells of their fault, and what it needs.
_WAITING = ("3007.15", "3007.16", "3007.17")
# Where bundles are on a host, and packages on their way there.
_FOLDERS = ("/opt/holodeck", "/var/cache/salt")
_TOOLS = {
    "builder": ("git", "uv", "zstd", "readelf"),
    "tester": ("setpriv", "unshare", "prlimit"),
}
_PACKAGES = {"readelf": "binutils", "setpriv": "util-linux", "unshare": "util-linux",
             "prlimit": "util-linux"}  # fmt: skip


def find(world, only=""):
    """
    Return the faults of the master and of environments' hosts.

    only
        The name of one environment.

    Each is ``{"kind", "name", "environment", "why"}``, as :mod:`orphans
    <holodeck_master.orphans>` has them, and says what mends it.
    """
    found = [_fault("master", "master", "", why) for why in _of_master(world)]
    for name, environment in sorted(world.definition.environments.items()):
        if only in {"", name}:
            found += [
                _fault("host", host, name, why)
                for host, why in _of_hosts(world, environment)
            ]
    return found


def _fault(kind, name, environment, why):
    return {"kind": kind, "name": name, "environment": environment, "why": why}


def _of_master(world):
    opts = world.opts
    try:
        world.store  # noqa: B018  # says what is missing
    except HolodeckError as error:
        yield str(error)
    if not opts.get("file_recv"):
        yield "file_recv is off, and builders could not push: `file_recv: true`"
    if not any("holodeck" in each for each in opts.get("ext_pillar", [])):
        yield "ext_pillar lacks `- holodeck: {}`: hosts would get no part of pillar"
    if not opts.get("fileserver_followsymlinks", True):
        yield "fileserver_followsymlinks is off: minions would get no code of the pack"
    free = shutil.disk_usage(opts["cachedir"]).free // 2**20
    if free < _ROOM_MB:
        yield f"{free} MB are left at {opts['cachedir']}; bundles and records lie there"


def _of_hosts(world, environment):
    """Yield ``(host, why)``; hosts that nobody has made yet have no faults."""
    known = ledger.of(world.records, environment.name)
    profiles, members = environment.profiles(), environment.all_members()
    wanted = [h for h in members if h not in profiles or h in known["made"]]
    keys = world.accepted
    for host in wanted:
        if host not in keys:
            yield (
                host,
                (
                    "has no accepted key on this master; `salt-key -L` shows who "
                    f"waits, `salt-key -a {host}` accepts its key"
                ),
            )
    there = [host for host in wanted if host in keys]
    if not there:
        return
    replies = world.fleet.ask(there, "webapp.status", _ASK_S)
    for host, reply in replies.items():
        if reply.lost:
            yield host, f"{reply.error} Look at the host, and at its salt-minion"
        elif not reply.ok and host in known["prepared"]:
            yield host, f"webapp.status: {reply.error}"
    heard = [host for host, reply in replies.items() if not reply.lost]
    if heard:
        yield from _of_platforms(environment, replies)
        yield from _of_releases(world, environment, replies)
        yield from _of_salt(world, heard)
        yield from _of_clocks(world, heard)
        yield from _of_disks(world, heard)
        yield from _of_tools(world, environment, set(heard) & set(known["prepared"]))
        yield from _of_repositories(world, environment, heard)


def _of_platforms(environment, replies):
    """Bundles are built on what they run on."""
    told = {host: reply.value for host, reply in replies.items() if reply.ok}
    roles = ("builder", "web", "tester")
    hosts = [h for role in roles for h in environment.members(role) if h in told]
    try:
        if hosts:
            platform_of(told, hosts)
    except HolodeckError as error:
        yield environment.name, str(error)


def _of_releases(world, environment, replies):
    """A new host of another system than a release was built for does not get it."""
    for name in environment.services:
        last = world.records.last_good(name, environment.name)
        for host in environment.members("web") if last else ():
            reply = replies.get(host)
            if not (reply and reply.ok) or name in reply.value["services"]:
                continue
            platform = reply.value["platform"]
            if building.is_foreign(last, platform):
                yield (
                    host,
                    (
                        f"is {platform}, and {last['id']} was built for "
                        f"{last['bundle']['platform']}: release {name} again once all "
                        "hosts have the new system"
                    ),
                )


def _of_salt(world, hosts):
    """In some versions each job's process stays, and waits for nothing."""
    told = world.fleet.ask(hosts, "grains.get", _ASK_S, key="saltversion")
    faulty = {host: r.value for host, r in told.items() if r.value in _WAITING}
    if not faulty:
        return
    asked = faulty, "config.get", _ASK_S
    for host, reply in world.fleet.ask(*asked, key="return_retry_tries").items():
        if reply.ok and reply.value != 1:
            yield (
                host,
                (
                    f"Salt {faulty[host]}: each job's process stays for 30 s, with its "
                    "memory; the minion wants `return_retry_tries: 1` in its "
                    "configuration, and 1 GB"
                ),
            )


def _of_clocks(world, hosts):
    before = time.time()
    replies = world.fleet.ask(hosts, "status.time", _ASK_S, format="%s")
    middle = (before + time.time()) / 2
    for host, reply in replies.items():
        off = int(reply.value) - middle if reply.ok else 0
        if abs(off) > _SKEW_S + time.time() - before:
            way = "ahead of" if off > 0 else "behind"
            yield (
                host,
                (
                    f"its clock is {abs(off):.0f} s {way} the master's; both want NTP, "
                    "systemd-timesyncd or chrony"
                ),
            )


def _of_disks(world, hosts):
    for host, reply in world.fleet.ask(hosts, "disk.usage", _ASK_S).items():
        mounts = reply.value if reply.ok else {}
        for folder in _FOLDERS:
            mount = _mount_of(folder, mounts)
            free = int(mounts[mount]["available"]) // 1024 if mount else _ROOM_MB
            if free < _ROOM_MB:
                yield (
                    host,
                    (
                        f"{free} MB are left at {mount}, which has {folder}; a smaller "
                        "`keep` of the place's rollout needs less, or `bundle.prune`"
                    ),
                )


def _mount_of(folder, mounts):
    """Return the mount point that a folder is below, the closest one."""
    above = [p for p in mounts if Path(folder).is_relative_to(p)]
    return max(above, key=len, default=None)


def _of_tools(world, environment, hosts):
    """Of hosts that have had their states: those would have brought some of it."""
    for role, tools in _TOOLS.items():
        members = [host for host in environment.members(role) if host in hosts]
        for tool in tools if members else ():
            for host, reply in world.fleet.ask(
                members, "cmd.has_exec", _ASK_S, cmd=tool
            ).items():
                if reply.ok and not reply.value:
                    package = _PACKAGES.get(tool, tool)
                    yield host, f"{tool} is missing; install {package}"


def _of_repositories(world, environment, hosts):
    """A folder as repository is looked for by builders, in their own files."""
    builders = [host for host in environment.members("builder") if host in hosts]
    for name in environment.services if builders else ():
        repository = world.definition.services[name].repository
        if not (repository and fields.is_folder(repository)):
            continue
        path = repository.removeprefix("file://")
        asked = builders, "file.directory_exists", _ASK_S
        for host, reply in world.fleet.ask(*asked, path=path).items():
            if reply.ok and not reply.value:
                yield (
                    host,
                    (
                        f"has no folder {path}, the repository of {name}; name the URL "
                        "that builders clone from"
                    ),
                )
