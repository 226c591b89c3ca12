"""What an image is made of: read from a file, checked, and turned into commands."""

import hashlib
import json
import platform
import shlex
from dataclasses import dataclass
from pathlib import Path

import yaml

from holodeck_io.errors import HolodeckError

_LISTS = ("packages", "excluded", "environments", "disabled", "masked", "enabled")
_TEXTS = ("suite", "build_pins")
# The chroot sees what only the build needs below /run, which is a tmpfs of its own.
_BENCH = "/run/holodeck"
_PASSED_ON = ("UV_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


@dataclass(frozen=True)
class Definition:
    """An image's name, its file's content, and the pins beside it by file name."""

    name: str
    data: dict
    pins: dict


def names(folder):
    """Return the names of the images that are defined in ``folder``."""
    return sorted(path.stem for path in Path(folder).glob("*.conf"))


def load(folder, name):
    """
    Read the definition ``name`` in ``folder``; raise if it is absent or faulty.

    One that is ``like`` another has that one's pins, and its keys but for those that it
    has itself.
    """
    data, like = _read(folder, name), None
    if isinstance(data, dict) and (like := data.pop("like", None)):
        # That one is like none: the key would be a fault.
        data = {**(_read(folder, like) or {}), **data}
    if problems := faults(data):
        path = Path(folder, f"{name}.conf")
        raise HolodeckError(f"image: {path} is faulty: {'; '.join(problems)}.")
    files = [each["pins"] for each in data["environments"]]
    files += [data["build_pins"]] if files else []
    pins = {file: Path(folder, like or name, file).read_text() for file in files}
    return Definition(name=name, data=data, pins=pins)


def _read(folder, name):
    path = Path(folder) / f"{name}.conf"
    if not path.is_file():
        known = ", ".join(names(folder)) or "none"
        raise HolodeckError(
            f"image: {name!r} is not defined in {folder}; defined are: {known}."
        )
    return yaml.safe_load(path.read_text())


def faults(data):
    """Return what is wrong with a definition's ``data``, all of it."""
    if not isinstance(data, dict):
        return ["it should be a mapping"]
    known = {*_LISTS, *_TEXTS, "files", "mirror"}
    found = [f"{key}: should not be there" for key in sorted(set(data) - known)]
    # Without an environment there is nothing that pins could be of.
    texts = _TEXTS if data.get("environments") else ("suite",)
    found += [f"{key}: should be a text" for key in texts if not _is(data, key, str)]
    if not isinstance(data.get("mirror", ""), str):
        found.append("mirror: should be a text")
    found += [f"{key}: should be a list" for key in _LISTS if not _is(data, key, list)]
    if not _is(data, "files", dict):
        found.append("files: should be a mapping of path to content")
    return found


def _is(data, key, kind):
    return isinstance(data.get(key), kind)


def content_key(definition):
    """
    Return the name of the image's content: its commands, files, pins and machine.

    Two builds with the same key would do the same, so the first one's result is
    used for both.
    """
    recipe = {
        "bootstrap": bootstrap_argv(definition, "/image"),
        "script": setup_script(definition),
        "data": definition.data,
        "pins": definition.pins,
        "machine": platform.machine(),
    }
    text = json.dumps(recipe, sort_keys=True)
    return f"{definition.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def bootstrap_argv(definition, root):
    """Return the command that puts Debian into the folder ``root``."""
    data = definition.data
    options = [f"--dpkgopt=path-exclude={path}" for path in data["excluded"]]
    return [
        *("mmdebstrap", "--quiet", "--variant=minbase"),
        # Nothing of a half-made image is ever used: fsync for each file is waste.
        "--dpkgopt=force-unsafe-io",
        '--aptopt=Acquire::Languages "none"',
        f"--include={','.join(data['packages'])}",
        *options,
        data["suite"],
        str(root),
        *([data["mirror"]] if data.get("mirror") else []),
    ]


def setup_argv(bench):
    """Return the command that installs the environments; see :func:`enter_script`."""
    return ["sh", "-e", f"{bench}/enter.sh"]


def isolated_argv(argv, driver):
    """
    Return the command that runs ``argv`` with processes and mounts of its own.

    They all end when the process ``driver``, which starts the command, ends.
    """
    return [
        *("setpriv", "--pdeathsig", "KILL"),
        # A driver that ended before that was set would never be missed.
        *("sh", "-c", f'[ $PPID = {driver} ] && exec "$@"', "sh"),
        *("unshare", "--mount", "--propagation", "private", "--pid", "--mount-proc"),
        *("--fork", "--kill-child", *argv),
    ]


def enter_script(root, *, uv, bench, cache, ca_bundle):
    """
    Return the shell script that goes into ``root`` and runs ``setup.sh`` there.

    uv, bench, cache, ca_bundle
        The machine's uv program, the folder with pins and ``setup.sh``, uv's cache,
        and the certificate authorities.
    """
    binds = {"uv": uv, "pins": bench, "cache": cache, "ca.crt": ca_bundle}
    lines = [f"cd {_quote(root)}", "mount -t tmpfs tmpfs run", "mkdir run/holodeck"]
    for name, source in binds.items():
        make = "mkdir" if name in ("pins", "cache") else "touch"
        lines.append(f"{make} run/holodeck/{name}")
        lines.append(f"mount --bind {_quote(source)} run/holodeck/{name}")
    lines += [
        "mount --bind /etc/resolv.conf etc/resolv.conf",
        "mount --rbind /proc proc",
        "mount --rbind /dev dev",
        f"exec chroot . /bin/sh -e {_BENCH}/pins/setup.sh",
    ]
    return "\n".join(lines) + "\n"


def setup_environment(environ):
    """Return the set-up's environment: of the caller's only what uv needs."""
    passed = {
        name: value
        for name, value in environ.items()
        if name.upper().startswith(_PASSED_ON)
    }
    return {
        **dict.fromkeys(environ),
        **passed,
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "SSL_CERT_FILE": f"{_BENCH}/ca.crt",
        "UV_CACHE_DIR": f"{_BENCH}/cache",
        "UV_LINK_MODE": "copy",
        "UV_PYTHON_DOWNLOADS": "never",
    }


def setup_script(definition):
    """Return the shell script that runs inside the new image."""
    data = definition.data
    lines = []
    for each in data["environments"]:
        lines += _environment_lines(each, data["build_pins"])
    for verb, units in (
        ("disable", data["disabled"]),
        ("mask", data["masked"]),
        ("enable", data["enabled"]),
    ):
        lines.append(f"systemctl --quiet {verb} {' '.join(map(_quote, units))}")
    # Each host gets an identity of its own.
    lines.append("rm -f /var/lib/dbus/machine-id /etc/hostname")
    lines.append("systemctl --quiet set-default multi-user.target")
    return "\n".join(lines) + "\n"


def _environment_lines(environment, build_pins):
    path = _quote(environment["path"])
    commands = " ".join(_quote(f"bin/{x}") for x in environment["commands"])
    install = [
        f"{_BENCH}/uv pip install --quiet --python {path}/bin/python --no-deps",
        "--require-hashes --compile-bytecode",
        f"--build-constraints {_BENCH}/pins/{_quote(build_pins)}",
        f"--requirements {_BENCH}/pins/{_quote(environment['pins'])}",
    ]
    tests = "-type d '(' -name tests -o -name test ')'"
    return [
        f"python3 -m venv --without-pip {path}",
        " ".join(install),
        f"find {path}/lib {tests} -prune -exec rm -rf '{{}}' +",
        f"(cd {path} && ln -s $(realpath -s {commands}) /usr/local/bin/)",
    ]


def _quote(text):
    return shlex.quote(str(text))
