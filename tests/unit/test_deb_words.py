"""What dpkg is told and what it says."""

import pytest

from holodeck import deb_words


def test_register_argv_leaves_the_files_alone():
    """The database learns of files that dpkg does not touch."""
    argv = deb_words.register_argv([("/x.deb", "/opt/r"), ("/y.deb", "/opt/s")])
    assert {"--path-exclude=/opt/r", "--path-exclude=/opt/r/*"} < set(argv)
    assert {"--path-exclude=/opt/s", "--path-exclude=/opt/s/*"} < set(argv)
    assert argv[-3:] == ["--install", "/x.deb", "/y.deb"]


def test_unpack_argv_takes_modes_from_the_umask():
    """No owner, mode or time is set one by one."""
    argv = deb_words.unpack_argv("/opt/.new")
    assert {"--touch", "--no-same-owner", "--no-same-permissions"} < set(argv)
    assert argv[-2:] == ["--directory", "/opt/.new"]


def test_remove_argv_takes_several_packages():
    """Configuration files go too, and what dpkg was killed at."""
    argv = deb_words.remove_argv(["a", "b"])
    assert argv == ["dpkg", "--force-remove-reinstreq", "--purge", "a", "b"]


def test_forget_argv_finds_no_files():
    """Dpkg looks for the files below an empty folder, whoever depends on them."""
    argv = deb_words.forget_argv(["a"], "/empty")
    assert {"--instdir=/empty", "--force-depends"} < set(argv)
    assert argv[-2:] == ["--purge", "a"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("ii  holodeck-a 1.0\nii  holodeck-b 1.f\n",
         {"holodeck-a": "1.0", "holodeck-b": "1.f"}),
        ("ii holodeck-a 1.0\n", {"holodeck-a": "1.0"}),
        ("rc  holodeck-a 1\npn  holodeck-b \n", {}),
        # half installed, unpacked, reinstall required
        ("iH  holodeck-b 1\niU  holodeck-c 1\niiR holodeck-d 1\niHR holodeck-e \n",
         dict.fromkeys([f"holodeck-{x}" for x in "bcde"], "")),
        # known and never installed: dpkg shows no version
        ("un  holodeck-a \nii  holodeck-b 1.0\n", {"holodeck-b": "1.0"}),
        ("ii  holodeck-a \n", {"holodeck-a": ""}),
    ],
)  # fmt: skip
def test_parse_installed_gives_whole_packages_a_version(text, found):
    """What dpkg did not finish has none, and what is not there is not named."""
    assert deb_words.parse_installed(text) == found


def test_installed_argv_asks_for_this_packs_packages():
    """The listing is of the pack's own packages."""
    assert deb_words.installed_argv()[-1] == "holodeck-*"


def test_parse_sums_is_of_one_folder():
    """Paths are below the layer's folder; two spaces in a name are part of it."""
    text = "aa  opt/h/x/lib/a.py\nbb  opt/h/x/b  c\ncc  opt/h/xy/d\n\nodd\n"
    assert deb_words.parse_sums(text, "/opt/h/x") == {"lib/a.py": "aa", "b  c": "bb"}
