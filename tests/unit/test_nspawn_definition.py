"""What an image is made of, and the name of its content."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from holodeck_io.errors import HolodeckError
from holodeck_nspawn import definition

IMAGES = Path(__file__).resolve().parents[2] / "cloud.images.d"


@pytest.fixture
def bookworm():
    return definition.load(IMAGES, "bookworm")


def test_load_of_an_unknown_name():
    """An unknown image is refused with the names that are known."""
    with pytest.raises(HolodeckError, match=r"'woody' is not defined.*bookworm"):
        definition.load(IMAGES, "woody")


def test_load_of_a_faulty_file(tmp_path):
    """All faults of a definition are named at once."""
    (tmp_path / "bad.conf").write_text(yaml.safe_dump({"suite": 12, "pakages": []}))
    with pytest.raises(
        HolodeckError, match=r"pakages: should not.*suite: .*packages: should be a list"
    ):
        definition.load(tmp_path, "bad")


def test_load_of_an_image_that_is_like_another(bookworm, tmp_path):
    """It has the other's keys and pins, and its own suite and mirror."""
    shutil.copytree(IMAGES, tmp_path, dirs_exist_ok=True)
    own = {"suite": "sid", "mirror": "http://deb.example.org/debian"}
    (tmp_path / "sid.conf").write_text(yaml.safe_dump({"like": "bookworm", **own}))
    sid = definition.load(tmp_path, "sid")
    assert (sid.data, sid.pins) == ({**bookworm.data, **own}, bookworm.pins)
    assert definition.bootstrap_argv(sid, "/x")[-3:] == ["sid", "/x", own["mirror"]]


@pytest.mark.parametrize(
    ("like", "reason"),
    [("woody", "'woody' is not defined"), ("odd", "like: should not be there")],
)
def test_load_of_an_image_that_is_like_none(tmp_path, like, reason):
    """Like what is not there, or like itself: refused with the reason."""
    (tmp_path / "odd.conf").write_text(yaml.safe_dump({"like": like, "suite": "sid"}))
    with pytest.raises(HolodeckError, match=reason):
        definition.load(tmp_path, "odd")


def test_load_of_an_image_without_environments():
    """A machine without Salt needs no pins, and none is asked for."""
    assert definition.load(IMAGES, "bare").pins == {}


def test_the_packs_pins_have_hashes_and_no_addresses(bookworm):
    """Everything from PyPI is pinned by hash, and no registry is named."""
    for name, text in bookworm.pins.items():
        assert text.count("==") <= text.count("--hash=sha256:"), name
        assert "://" not in text, name


def test_content_key_changes_with_the_content(bookworm):
    """Another package, pin or file is another image; the same is the same."""
    key = definition.content_key(bookworm)
    assert key == definition.content_key(definition.load(IMAGES, "bookworm"))
    more = {**bookworm.data, "packages": [*bookworm.data["packages"], "vim"]}
    other = {**bookworm.data, "files": {"/etc/motd": "hello"}}
    pins = {**bookworm.pins, "salt.txt": "salt==3008.4"}
    changed = [
        definition.Definition("bookworm", more, bookworm.pins),
        definition.Definition("bookworm", other, bookworm.pins),
        definition.Definition("bookworm", bookworm.data, pins),
    ]
    assert len({key, *map(definition.content_key, changed)}) == 4


def test_scripts_are_shell(bookworm):
    """The shell takes both scripts, also with a quote in a path."""
    places = {"uv": "/it's/uv", "bench": "/b", "cache": "/c", "ca_bundle": "/d"}
    enter = definition.enter_script("/it's here/rootfs", **places)
    for script in (enter, definition.setup_script(bookworm)):
        subprocess.run(["sh", "-n"], input=script, text=True, check=True)


def test_setup_environment_passes_on_only_what_uv_needs():
    """The caller's variables do not get into an image, but its index does."""
    environ = {"PIP_INDEX_URL": "a", "UV_INDEX_URL": "b", "https_proxy": "c", "TZ": "d"}
    passed = definition.setup_environment(environ)
    assert (passed["UV_INDEX_URL"], passed["https_proxy"]) == ("b", "c")
    assert (passed["PIP_INDEX_URL"], passed["TZ"]) == (None, None)


def test_logind_is_not_masked(bookworm):
    """Without logind reboot and poweroff fail with errors."""
    assert "systemd-logind.service" not in bookworm.data["masked"]


def test_isolated_argv_does_nothing_for_a_driver_that_is_gone():
    """A build whose driver ended before it began never begins."""
    for driver, status in ((os.getpid(), 0), (1, 1)):
        argv = definition.isolated_argv(["true"], driver)
        command = [*argv[argv.index("sh") : argv.index("unshare")], "true"]
        assert subprocess.run(command, check=False).returncode == status
