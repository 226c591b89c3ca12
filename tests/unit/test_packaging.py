"""What packagers and package managers are told."""

import json

import pytest

from holodeck import packaging


def _package(**changes):
    values = {
        "name": "holodeck-x", "version": "1.abc", "root": "/build", "kind": "deb",
        "machine": "x86_64", "epoch": 315532800, "depends": ("python3.11",),
        "summary": 'A "quoted": summary\nof two lines',
    }  # fmt: skip
    return packaging.Package(**{**values, **changes})


def test_nfpm_config_says_everything_that_varies():
    """What nfpm would take from the builder is written down instead."""
    config = json.loads(packaging.nfpm_config(_package()))
    assert config["mtime"] == "1980-01-01T00:00:00Z"
    assert config["rpm"]["buildhost"] == "holodeck"
    assert config["version_schema"] == "none"
    assert config["depends"] == ["python3.11"]
    assert config["description"] == 'A "quoted": summary\nof two lines'
    [content] = config["contents"]
    assert (content["src"], content["dst"], content["type"]) == ("/build/", "/", "tree")
    assert content["file_info"]["owner"] == content["file_info"]["group"] == "root"


def test_nfpm_config_is_the_same_text_each_time():
    """Equal packages have equal configurations, byte for byte."""
    assert packaging.nfpm_config(_package()) == packaging.nfpm_config(_package())


@pytest.mark.parametrize(
    ("kind", "machine", "nfpm", "native"),
    [
        ("deb", "x86_64", "amd64", "amd64"), ("rpm", "x86_64", "amd64", "x86_64"),
        ("deb", "aarch64", "arm64", "arm64"), ("rpm", "aarch64", "arm64", "aarch64"),
        ("deb", "riscv64", "riscv64", "riscv64"),
    ],
)  # fmt: skip
def test_architecture_in_each_tools_words(kind, machine, nfpm, native):
    """Debian's words for nfpm in both formats, the format's own for fpm."""
    package = _package(kind=kind, machine=machine)
    assert json.loads(packaging.nfpm_config(package))["arch"] == nfpm
    argv = packaging.fpm_argv(package, "/x")
    assert argv[argv.index("--architecture") + 1] == native


def test_nfpm_argv_names_config_format_and_target():
    """The command is nfpm's."""
    assert packaging.nfpm_argv(_package(kind="rpm"), "/c.yaml", "/t.rpm") == [
        "nfpm", "package", "--config", "/c.yaml", "--packager", "rpm",
        "--target", "/t.rpm",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "tail"),
    [
        ("deb", ["--deb-compression", "zst", "--deb-user", "root",
                 "--deb-group", "root", "--depends", "a", "--depends", "b", "."]),
        ("rpm", ["--rpm-compression", "zstd", "--rpm-os", "linux", "--rpm-user", "root",
                 "--rpm-group", "root", "--depends", "a", "--depends", "b", "."]),
    ],
)  # fmt: skip
def test_fpm_argv_wraps_a_folder_and_nothing_else(kind, tail):
    """A tree is only wrapped: fpm never makes a virtualenv."""
    argv = packaging.fpm_argv(_package(kind=kind, depends=("a", "b")), "/t")
    assert argv[:5] == ["fpm", "--input-type", "dir", "--output-type", kind]
    assert argv[-len(tail) :] == tail
    assert argv[argv.index("--chdir") + 1] == "/build"
    assert argv[argv.index("--source-date-epoch-default") + 1] == "315532800"
    assert all(isinstance(word, str) for word in argv)


@pytest.mark.parametrize(
    ("kind", "install", "remove"),
    [
        ("deb", ["dpkg", "--force-unsafe-io", "--install", "a", "b"],
         ["dpkg", "--purge", "a", "b"]),
        ("rpm", ["rpm", "--install", "--replacepkgs", "--oldpackage", "a", "b"],
         ["rpm", "--erase", "a", "b"]),
    ],
)  # fmt: skip
def test_install_and_remove_by_the_systems_own_tool(kind, install, remove):
    """Both formats take several packages in one transaction."""
    assert packaging.install_argv(kind, ["a", "b"]) == install
    assert packaging.remove_argv(kind, ["a", "b"]) == remove


@pytest.mark.parametrize("kind", ["deb", "rpm"])
def test_installed_argv_asks_for_this_packs_packages(kind):
    """The listing is of the pack's own packages."""
    assert packaging.installed_argv(kind)[-1] == "holodeck-*"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("ii  holodeck-a 1.0\nii  holodeck-b 1.f\n",
         {"holodeck-a": "1.0", "holodeck-b": "1.f"}),
        ("ii holodeck-a 1.0\n", {"holodeck-a": "1.0"}),
        # removed, half installed, unpacked, reinstall required
        ("rc  holodeck-a 1\niH  holodeck-b 1\niU  holodeck-c 1\niiR holodeck-d 1\n",
         {}),
        # known and never installed: dpkg shows no version
        ("un  holodeck-a \nii  holodeck-b 1.0\n", {"holodeck-b": "1.0"}),
        ("ii  holodeck-a \n", {}),
    ],
)  # fmt: skip
def test_parse_installed_takes_whole_packages_only(text, found):
    """What dpkg or rpm did not finish is not installed; the rest has its version."""
    assert packaging.parse_installed(text) == found


def test_layer_version_is_the_contents():
    """Other content is another version, legal in both formats."""
    assert packaging.layer_version("0123456789abcdef" * 4) == "1.0123456789ab"


def test_register_argv_leaves_the_files_alone():
    """The database learns of files that the package manager does not touch."""
    argv = packaging.register_argv("deb", "/x.deb", "/opt/r")
    assert {"--path-exclude=/opt/r", "--path-exclude=/opt/r/*"} < set(argv)
    assert argv[-2:] == ["--install", "/x.deb"]
    assert "--justdb" in packaging.register_argv("rpm", "/x.rpm", "/opt/r")
