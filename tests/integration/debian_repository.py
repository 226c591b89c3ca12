"""A signed repository of Debian with one package: a minion that only says so."""

import hashlib
import subprocess

_CONTROL = """\
Package: salt-minion
Version: {version}
Architecture: all
Maintainer: Nobody <nobody@example.org>
Description: of a test
"""
_UNIT = """\
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/echo a packaged minion

[Install]
WantedBy=multi-user.target
"""


def make(folder, version):
    """Make it in ``folder``; return ``{name: path}`` of its files, and of its key."""
    tree = folder / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(_CONTROL.format(version=version))
    unit = tree / "lib/systemd/system/salt-minion.service"
    unit.parent.mkdir(parents=True)
    unit.write_text(_UNIT)
    package = folder / "salt-minion.deb"
    _run("dpkg-deb", "--build", "--root-owner-group", tree, package)
    content = package.read_bytes()
    index = folder / "Packages"
    index.write_text(
        f"{_CONTROL.format(version=version)}Filename: ./salt-minion.deb\n"
        f"Size: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"
    )
    _sign(folder, index)
    found = (package, index, folder / "InRelease", folder / "repository.asc")
    return {path.name: path for path in found}


def _sign(folder, index):
    content = index.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    (folder / "Release").write_text(
        f"Origin: test\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n"
        f"SHA256:\n {digest} {len(content)} Packages\n"
    )
    home = folder / "gpg"
    home.mkdir(mode=0o700)
    gpg = ("gpg", "--batch", "--quiet", "--homedir", home, "--passphrase", "")
    _run(*gpg, "--quick-generate-key", "salt@example.org", "rsa2048", "sign", "never")
    _run(*gpg, "--clearsign", "-o", folder / "InRelease", folder / "Release")
    _run(*gpg, "--armor", "-o", folder / "repository.asc", "--export")
    _run("gpgconf", "--homedir", home, "--kill", "gpg-agent")


def _run(*argv):
    subprocess.run([str(word) for word in argv], check=True, stdout=subprocess.PIPE)
