"""The builds' sandbox, attacked from within by real commands."""

import contextlib
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from holodeck import confinement
from holodeck_build import sandbox
from holodeck_io.errors import CommandError, HolodeckError

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="a sandbox is made by root"),
    pytest.mark.timeout(120),
]

PACK = Path(__file__).parents[2]
# In the kernel's words, and in those of mount and umount for EINVAL.
_DENIED = "denied|not permitted|superuser|No such|not mounted|wrong fs type"
_RUN = (
    "import json, sys; from holodeck_build import sandbox;"
    "print(sandbox.run(**json.loads(sys.argv[1])).stdout, end='')"
)


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A checkout with one file, which belongs to root as all of it must in the end."""
    folder = tmp_path / "work"
    folder.mkdir(mode=0o700)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("TMPDIR", str(temporary))
    (folder / "kept").write_text("kept")
    yield folder
    for path in (folder, *folder.rglob("*")):
        assert (path.lstat().st_uid, path.lstat().st_gid) == (0, 0), path
    # No folder to mount on is left.
    assert list(temporary.iterdir()) == []


def _sh(work, script, **options):
    return sandbox.run(["sh", "-c", script], workdir=work, **options).stdout


def _python(work, code, **options):
    return sandbox.run(["python3", "-c", code], workdir=work, **options).stdout


def _elsewhere(*prefix, **options):
    """Run a sandbox from another process, which ``prefix`` starts."""
    words = [sys.executable, "-c", _RUN, json.dumps(options)]
    return subprocess.Popen(
        [*prefix, *words], cwd=PACK / "_utils", text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def _running(marker):
    """Tell whether a process of this machine has ``marker`` among its words."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if marker.encode() in path.read_bytes().split(b"\0"):
                return True
    return False


def _until(condition):
    while not condition():
        time.sleep(0.02)


@contextlib.contextmanager
def _listening(family, address):
    with socket.socket(family) as server:
        server.bind(address)
        server.listen()
        yield server.getsockname()


def test_run_keeps_results_and_gives_them_to_root(work):
    """What a command writes stays, is root's, and has the modes of umask 022."""
    old = os.umask(0o077)
    try:
        out = _sh(work, "cat kept; mkdir -p a/b; echo made > a/b/c; ln -s a/b l; pwd")
    finally:
        os.umask(old)
    assert out == f"kept{work}\n"
    assert (work / "l/c").read_text() == "made\n"
    assert stat.S_IMODE((work / "a/b/c").stat().st_mode) == 0o644
    assert stat.S_IMODE((work / "a/b").stat().st_mode) == 0o755
    assert stat.S_IMODE(work.stat().st_mode) == 0o700


def test_run_takes_words_as_they_are(work):
    """No shell sees the words, and both outputs come back as one."""
    out = sandbox.run(["printf", "%s|", "$(id)", "a b", "*"], workdir=work)
    assert (out.stdout, out.returncode) == ("$(id)|a b|*|", 0)
    assert _sh(work, "echo out; echo err >&2; cat") == "out\nerr\n"


@pytest.mark.parametrize(
    "place",
    ["/root", "/home", "/srv", "/etc", "/run", "/tmp", "/mnt", "/var/cache", "/var/lib",
     "/var/log", "/dev/shm"],
)  # fmt: skip
def test_run_hides_secrets(work, place):
    """A file that everybody may read is not there when it lies in such a place."""
    with tempfile.TemporaryDirectory(dir=place) as folder:
        secret = Path(folder, "secret")
        secret.write_text("hunter2")
        secret.chmod(0o644)
        for path in (secret.parent, secret):
            path.chmod(path.stat().st_mode | 0o055)
        found = _sh(
            work, f"cat {secret} 2>&1; ls -A {place} 2>&1; find / -name secret; true"
        )
    assert "hunter2" not in found
    assert Path(folder).name not in found.replace(f"cat: {secret}", "")


@pytest.mark.parametrize(
    "path",
    ["/etc/shadow", "/etc/ssh", "/etc/machine-id", "/etc/salt", "/run/systemd",
     "/run/docker.sock", "/sys/kernel", "/proc/1/environ", "/proc/1/root/", "/.old"],
)  # fmt: skip
def test_run_hides_the_builders_identity(work, path):
    """Password hashes, keys, sockets and other processes' memory are out of reach."""
    assert _sh(work, f"cat {path} 2>/dev/null || ls {path}/ 2>/dev/null || true") == ""


@pytest.mark.parametrize(
    "path", ["/x", "/usr/x", "/opt/x", "/etc/x", "/etc/passwd", "/dev/x", "/home/x"]
)
def test_run_writes_nowhere_else(work, path):
    """The system cannot be written to."""
    with pytest.raises(CommandError, match=r"Read-only|Permission denied"):
        _sh(work, f"echo x > {path}")
    assert not Path(path).exists() or path == "/etc/passwd"


def test_run_mounts_nothing_else_writable(work):
    """Whatever a file's mode says: but for its own places all is mounted read-only."""
    rows = [line.split() for line in _sh(work, "cat /proc/mounts").splitlines()]
    writable = {row[1] for row in rows if "ro" not in row[3].split(",")}
    assert writable == {str(work), "/proc", *confinement.SCRATCH}
    assert [row[1] for row in rows if "nosuid" not in row[3].split(",")] == []


def test_run_has_fresh_places_to_write(work):
    """/tmp and the home are empty at the beginning of each run, and writable."""
    script = "ls -A ~ /dev/shm; find /tmp -not -uid 0; touch ~/x /tmp/x /var/tmp/y"
    first = _sh(work, script)
    assert first.split() == ["/dev/shm:", f"{confinement.HOME}:", str(work), *(
        [str(work / "kept")]
    )]  # fmt: skip
    assert _sh(work, script) == first
    assert not Path("/tmp/x").exists()


def test_run_is_unprivileged(work):
    """A command is nobody's uid, with no capability and no way to one."""
    out = _sh(work, "id -u; grep -E '^(Cap|NoNew|Groups)' /proc/self/status")
    uid, *lines = out.splitlines()
    facts = dict(line.split(":", 1) for line in lines)
    assert uid == str(confinement.USER_ID)
    assert facts.pop("NoNewPrivs").strip() == "1"
    assert facts.pop("Groups").strip() == ""
    assert {int(value, 16) for value in facts.values()} == {0}
    assert len(facts) == 5


@pytest.mark.parametrize(
    "attack",
    ["umount /tmp", "mount -o remount,bind,rw /usr", "mount --bind / /tmp",
     "mount --rbind / /dev/shm && cat /dev/shm/.old/etc/shadow", "mknod d c 1 3"],
)  # fmt: skip
def test_run_user_namespace_opens_nothing(work, attack):
    """Who makes itself root of a user namespace uncovers nothing by it."""
    with pytest.raises(CommandError, match=_DENIED):
        sandbox.run(["unshare", "-Urm", "sh", "-c", attack], workdir=work)


def test_run_sees_no_other_process(work):
    """Of the machine's processes none is seen, and none can be signalled."""
    with subprocess.Popen(["sleep", "60"]) as other:
        out = _sh(
            work,
            f"kill -0 {other.pid} 2>/dev/null && echo reached; kill -9 1 2>/dev/null;"
            "cat /proc/[0-9]*/comm; hostname",
        )
        other.kill()
    first, *others, name = out.splitlines()
    assert first.startswith("python")
    assert set(others) <= {"sh", "cat", "hostname"}
    assert name == confinement.HOSTNAME
    assert socket.gethostname() != confinement.HOSTNAME


def test_run_has_a_fixed_environment(work, monkeypatch):
    """Nothing of the caller's environment leaks in; what is given does."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("LANG", "de_DE")
    given = {"SOURCE_DATE_EPOCH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    out = sandbox.run(["env"], workdir=work, env=given).stdout
    seen = dict(line.split("=", 1) for line in out.splitlines())
    assert seen == confinement.environment(given)


def test_run_inherits_no_descriptor_and_no_ignored_signal(work):
    """A command has its three standard files, and signals as a shell would give."""
    with open("/etc/shadow", encoding="utf-8") as secret:
        os.set_inheritable(secret.fileno(), True)
        out = _sh(work, "ls -l /proc/$$/fd; grep SigIgn /proc/$$/status")
    assert "/dev/null" in out
    # One of `ls` itself cannot be among them: they are the shell's.
    assert sum(" -> " in line for line in out.splitlines()) == 3
    assert int(out.split("SigIgn:")[1], 16) == 0


def test_run_has_a_network_of_its_own(work):
    """Servers of the builder are out of reach, abstract sockets too; ::lo works."""
    code = """
import socket, sys
for family, address in ((socket.AF_INET, ("127.0.0.1", %d)), (socket.AF_UNIX, %r)):
    with socket.socket(family) as client:
        print(client.connect_ex(address))
with socket.socket() as server:
    server.bind(("127.0.0.1", 0))
    server.listen()
    print(socket.create_connection(server.getsockname()) and "own")
"""
    name = f"\0holodeck-test-{os.getpid()}"
    with (
        _listening(socket.AF_INET, ("127.0.0.1", 0)) as (_, port),
        _listening(socket.AF_UNIX, name),
    ):
        assert _python(work, code % (port, name)).split() == ["111", "111", "own"]
        reached = _python(work, code % (port, name), network=True).split()
    assert reached == ["0", "0", "own"]


def test_run_with_a_network_knows_the_builders_resolvers(work):
    """With a network, names are resolved as on the builder; without, none is."""
    script = "cat /etc/resolv.conf"
    assert _sh(work, script, network=True) == Path("/etc/resolv.conf").read_text()
    assert _sh(work, script) == ""


def test_run_ends_daemons(work):
    """What a command leaves behind ends with it, also with its output held open."""
    marker = f"9{os.getpid()}.5"
    out = _sh(work, f"setsid sleep {marker} & (sleep {marker} &) ; echo done")
    assert out == "done\n"
    assert not _running(marker)


def test_run_survives_a_daemon_that_floods(work):
    """A daemon that writes without end holds nobody up."""
    assert _sh(work, "yes & echo done >&2; sleep 0.1").endswith("y\n")


def test_run_reaps_orphans(work):
    """Processes whose parents ended leave no zombies, and are not the command."""
    out = _sh(work, "for i in 1 2 3; do (true &); done; sleep 0.2; grep -h ^State "
              "/proc/[0-9]*/status; echo end")  # fmt: skip
    assert "zombie" not in out
    assert out.endswith("end\n")


def test_run_beyond_its_deadline(work):
    """Beyond the deadline all is killed, and the error has the last words."""
    marker = f"8{os.getpid()}.5"
    script = f"echo working; trap '' TERM; setsid sleep {marker} & sleep {marker}"
    with pytest.raises(CommandError, match=r"still running after 0\.5 s.*working"):
        _sh(work, script, timeout_s=0.5)
    assert not _running(marker)


def test_run_of_a_builder_that_is_killed(work):
    """A builder killed with -9 leaves no build behind."""
    marker = f"7{os.getpid()}.5"
    builder = _elsewhere(argv=["sleep", marker], workdir=str(work))
    _until(lambda: _running(marker))
    builder.kill()
    builder.communicate()
    _until(lambda: not _running(marker))
    for folder in Path(tempfile.gettempdir()).iterdir():
        # All that a dead builder leaves: an empty folder.
        folder.rmdir()
    subprocess.run(["chown", "-R", "root:root", work], check=True)


def test_run_failure_shows_argv_status_and_last_lines(work):
    """A failed command is one error: what was run, its status, and how it ended."""
    with pytest.raises(CommandError) as failed:
        _sh(work, "seq 99; exit 3")
    message = str(failed.value)
    assert message.startswith("sh -c 'seq 99; exit 3': ended with status 3")
    assert message.endswith("\n".join(str(number) for number in range(80, 100)))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["sh", "-c", "kill -KILL $$"], "ended with status -9"),
        (["no-such-tool"], "ended with status 127.*no-such-tool.*No such file"),
        (["./kept"], "ended with status 127.*Permission denied"),
    ],
)
def test_run_command_that_dies_or_is_not_there(work, argv, message):
    """A signal, and a program that is missing, are failures that say so."""
    with pytest.raises(CommandError, match=message):
        sandbox.run(argv, workdir=work)


def test_run_keeps_the_last_output(work):
    """Of much output the end is kept, and its beginning says that some is missing."""
    out = _sh(
        work, "head -c 9000000 /dev/zero | tr '\\0' x; printf '\\n\\303( last\\n'"
    )
    assert len(out) <= confinement.OUTPUT_BYTES + 10
    assert out.startswith("[…]\nxxx")
    assert out.endswith("x\n\ufffd( last\n")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("cp /bin/true t; chmod 4755 t", "File .*/work/t: the build left it setuid"),
        ("cp /bin/true t; chmod 2755 t", "File .*/work/t: the build left it setuid"),
        ("mkfifo a", "File .*/work/a: the build left a device, a socket or a pipe"),
        ("ln -s /etc/shadow a", "Link .*/work/a: leads out .* to /etc/shadow"),
        ("mkdir d; ln -s ../../x d/a", r"Link .*/work/d/a: leads out .* \.\./\.\./x"),
        ("ln -s . b; ln -s b/../x a", "Link .*/work/a: leads out"),
        ("ln -s ../work/kept a", "Link .*/work/a: leads out"),
        ("ln -s $PWD/kept a", "Link .*/work/a: leads out"),
        ("mkfifo 0; mkfifo 1; mkfifo 2 3 4 5 6 7 8 9 a b", "And 2 more"),
    ],
)
def test_run_refuses_what_no_bundle_may_have(work, script, message):
    """Setuid files, pipes, and links that lead out are refused by name."""
    with pytest.raises(HolodeckError, match=message):
        _sh(work, script)
    assert not [p for p in work.iterdir() if p.lstat().st_mode & 0o6000]


def test_run_refuses_sockets_and_devices(work):
    """A socket that a build leaves, and a device that somebody put there, are named."""
    code = "import socket; socket.socket(socket.AF_UNIX).bind('s')"
    os.mknod(work / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    with pytest.raises(HolodeckError) as refused:
        _python(work, f"{code}; open('opened', 'w')")
    assert f"File {work}/s: " in str(refused.value)
    assert f"File {work}/null: " in str(refused.value)


def test_run_opens_no_device_of_the_checkout(work):
    """A device in the checkout is dead: who could write there would own a disk."""
    os.mknod(work / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    with pytest.raises(CommandError, match="Permission denied"):
        _sh(work, "cat null")


def test_run_allows_links_that_stay(work):
    """Relative links within the folder are fine, also ones that end nowhere."""
    _sh(work, "mkdir d; ln -s ../kept d/a; ln -s d/../kept b; ln -s gone c; ln -s e e")
    assert (work / "d/a").read_text() == "kept"


def test_run_refuses_hard_links_to_elsewhere(work, tmp_path):
    """A file with a name outside is not given away; nothing is run."""
    outside = tmp_path / "outside"
    outside.write_text("cache")
    (work / "linked").hardlink_to(outside)
    with pytest.raises(
        HolodeckError, match=r"File .*/linked: is a hard link to a file"
    ):
        _sh(work, "touch ran")
    assert not (work / "ran").exists()
    (work / "linked").unlink()
    (work / "twice").hardlink_to(work / "kept")
    assert _sh(work, "cat twice") == "kept"


def test_run_leaves_what_links_point_at(work, tmp_path):
    """Giving the checkout away and back follows no link."""
    outside = tmp_path / "outside"
    outside.write_text("theirs")
    os.chown(outside, 12345, 12345)
    (work / "link").symlink_to(outside)
    with pytest.raises(HolodeckError, match=r"Link .*/link: leads out"):
        _sh(work, "true")
    assert outside.stat().st_uid == 12345


def test_run_reads_a_virtualenv_at_its_own_path(work):
    """A virtualenv below a hidden place works at its own path, and is read-only."""
    with tempfile.TemporaryDirectory(dir="/root") as home:
        venv = Path(home, "deep", "venv")
        subprocess.run(
            ["/usr/bin/python3", "-m", "venv", "--without-pip", str(venv)], check=True
        )
        Path(home, "deep", "secret").write_text("hunter2")
        argv = [f"{venv}/bin/python", "-c", "import sys; print(sys.prefix)"]
        done = sandbox.run(argv, workdir=work, readable=[venv])
        assert done.stdout == f"{venv}\n"
        script = f"ls {venv}/..; ls /root; touch {venv}/x 2>&1 || true"
        out = _sh(work, script, readable=[venv])
        first, second, third = out.splitlines()
    assert (first, second) == ("venv", Path(home).name)
    assert third.endswith("Read-only file system")


def test_run_reads_one_within_the_checkout(work):
    """What lies within the checkout can be read-only all the same."""
    (work / "venv").mkdir()
    with pytest.raises(CommandError, match="Read-only file system"):
        _sh(work, "touch here; touch venv/x", readable=[work / "venv"])
    assert (work / "here").exists()


def test_run_reads_behind_a_linked_folder(work, tmp_path):
    """A path through a link is found under that path."""
    (tmp_path / "disk" / "venv").mkdir(parents=True)
    (tmp_path / "disk" / "venv" / "file").write_text("found")
    tmp_path.chmod(0o755)
    link = tmp_path / "cache"
    link.symlink_to(tmp_path / "disk")
    readable = [link / "venv", link / "venv" / "file"]
    assert _sh(work, f"cat {link}/venv/file", readable=readable) == "found"


def test_run_reads_mounts_within_and_writes_to_none(work, tmp_path):
    """A file system mounted below a readable folder is seen, and is read-only too."""
    inner = tmp_path / "read" / "disk 1"
    inner.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "mode=0777,noexec", "x", str(inner)]
    subprocess.run(mount, check=True)
    try:
        (inner / "file").write_text("found")
        script = f"cd '{inner}'; cat file; touch x 2>&1; grep 'disk.*1' /proc/mounts"
        out = _sh(work, script, readable=[tmp_path / "read"])
    finally:
        subprocess.run(["umount", str(inner)], check=True)
    assert out.startswith("found")
    assert "Read-only file system" in out
    assert "ro,nosuid,nodev,noexec" in out


def test_run_reads_behind_a_link_of_the_system(work, tmp_path):
    """The same holds when the link lies in a folder that every build sees."""
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "file").write_text("found")
    link = Path("/opt", f"holodeck-test-{os.getpid()}")
    link.symlink_to(tmp_path)
    try:
        script = f"cat {link}/venv/file; ls {tmp_path}"
        out = _sh(work, script, readable=[link / "venv"])
    finally:
        link.unlink()
    assert out == "foundvenv\nwork\n"


@pytest.mark.parametrize(
    ("mode", "name", "message"),
    [(0o700, "venv", "is closed to users other than root"), (0o755, "gone", "No such")],
)
def test_run_refuses_what_it_cannot_show(work, tmp_path, mode, name, message):
    """A folder that only root may read, or that is missing, is said before the run."""
    (tmp_path / "venv").mkdir(mode=mode)
    with pytest.raises(HolodeckError, match=message):
        _sh(work, "touch ran", readable=[tmp_path / name])
    assert not (work / "ran").exists()


def test_run_limits_memory(work):
    """A process that wants more than it may have fails, and others do not."""
    code = "print(len(bytearray(%d << 20)) >> 20)"
    assert _python(work, code % 50, memory_mb=300) == "50\n"
    with pytest.raises(CommandError, match="MemoryError"):
        _python(work, code % 400, memory_mb=300)


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv")
def test_run_where_namespaces_are_refused(work):
    """On a host that refuses, the error says which; nothing is run without."""
    lesser = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-all"]
    run = _elsewhere(*lesser, argv=["touch", "ran"], workdir=str(work))
    message = run.communicate()[1]
    assert "Sandbox: this host refuses a step" in message
    assert "network namespace: Operation not permitted" in message
    assert not (work / "ran").exists()


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv")
def test_run_without_the_right_to_set_networks_up(work):
    """A container that may not configure networks still gets its own loopback."""
    lesser = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-all"]
    code = (
        "import socket; server = socket.create_server(('127.0.0.1', 0));"
        "socket.create_connection(server.getsockname());"
        "print([name for _, name in socket.if_nameindex()])"
    )
    run = _elsewhere(*lesser, argv=["python3", "-c", code], workdir=str(work))
    assert run.communicate() == ("['lo']\n", "")


def test_run_by_others_than_root(work, monkeypatch):
    """A builder that is not root is told so, and nothing is run."""
    monkeypatch.setattr(sandbox.os, "geteuid", lambda: 1000)
    with pytest.raises(HolodeckError, match="Sandbox: is made by root alone"):
        _sh(work, "touch ran")


def test_run_of_a_bad_job(work):
    """What is wrong with a job is said at once, all of it."""
    with pytest.raises(HolodeckError) as refused:
        sandbox.run([], workdir="/usr", readable=["x"])
    assert len(str(refused.value).splitlines()) == 3


_KEYS = """
import ctypes, json, subprocess, sys
sys.path.insert(0, sys.argv[1])
from holodeck_build import sandbox
call = ctypes.CDLL(None).syscall
join, add, search = {"x86_64": (250, 248, 250)}.get(sys.argv[3], (219, 217, 219))
call(join, 1, None)
assert call(add, b"user", b"holodeck-test", b"secret", 6, -3) > 0
code = (
    "import ctypes; print(ctypes.CDLL(None).syscall("
    f"{search}, 10, -3, b'user', b'holodeck-test', 0))"
)
print(sandbox.run(["python3", "-c", code], workdir=sys.argv[2]).stdout)
"""


def test_run_has_no_key_of_root_s_session(work):
    """What root's session keeps in the kernel is not found from within."""
    argv = [sys.executable, "-c", _KEYS, str(PACK / "_utils"), str(work)]
    done = subprocess.run(
        [*argv, os.uname().machine], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "-1"
