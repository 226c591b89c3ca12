"""What the script that makes a machine a minion finds there, and waits for."""

import subprocess
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).parents[2] / "cloud.deploy.d/salt-minion.sh"


def _run(script, **environment):
    """Run a piece of shell after the script's functions, of which none runs yet."""
    functions = _SCRIPT.read_text().partition("# In a condition")[0]
    return subprocess.run(
        ["sh", "-c", f"{functions}\n{script}", _SCRIPT],
        capture_output=True, text=True, check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environment},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "masters"),
    [
        ("master: 10.0.0.1\nid: web1\n", "10.0.0.1"),
        ("#master: salt\nmaster: '10.0.0.1'  # ours\n", "10.0.0.1"),
        ("master:\n- b.example.org\n- a.example.org\nid: web1\n",
         "a.example.org b.example.org"),
        ("master:\n\n  # two of them\n  - a\n  - b\ngrains:\n  - c\n", "a b"),
        ("master: [b, a]\n", "a b"),
        ("id: web1\nmaster_port: 4506\n", ""),
        ("#master: salt\n", ""),
    ],
)  # fmt: skip
def test_master_in(tmp_path, text, masters):
    """A list of masters counts like one, in whatever way it is written."""
    (tmp_path / "minion").write_text(text)
    done = _run(f"master_in {tmp_path}/minion")
    assert (done.stdout.strip(), done.returncode) == (masters, 0), done.stderr


def _with_apt(folder, update):
    """Have an apt-get that tells what it is asked, and updates like this."""
    program = folder / "apt-get"
    program.write_text(
        f'#!/bin/sh\necho "$@" >>{folder}/asked\n'
        f"case $1 in update) n=$(grep -c ^update {folder}/asked); {update} ;; esac\n"
    )
    program.chmod(0o755)
    (folder / "sleep").symlink_to("/bin/true")
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def test_package_of_a_machine_that_updates_itself(tmp_path):
    """Old lists are renewed first; who holds them, or the packages, is waited for."""
    locked = "echo 'E: Could not get lock /var/lib/apt/lists/lock.' >&2; [ $n = 3 ]"
    done = _run("system_package python3-venv", **_with_apt(tmp_path, locked))
    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [
        *["update"] * 3,
        "-o DPkg::Lock::Timeout=300 install -y --no-install-recommends python3-venv",
    ]


def test_package_lists_that_cannot_be_renewed(tmp_path):
    """An index that is wrong is told at once, in apt's words."""
    wrong = "echo 'E: no Release file' >&2; exit 100"
    done = _run("system_package python3-venv", **_with_apt(tmp_path, wrong))
    assert done.returncode == 1
    assert "apt-get update: E: no Release file" in done.stderr
    assert (tmp_path / "asked").read_text() == "update\n"
