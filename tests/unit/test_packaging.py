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
        ("deb", ["--deb-compression", "none", "--deb-user", "root",
                 "--deb-group", "root", "--depends", "a", "--depends", "b", "."]),
        ("rpm", ["--rpm-rpmbuild-define", "_build_id_links none", "--rpm-os", "linux",
                 "--rpm-user", "root", "--rpm-group", "root",
                 "--depends", "a", "--depends", "b", "."]),
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


def test_layer_version_is_the_contents():
    """Other content is another version, legal in both formats."""
    assert packaging.layer_version("0123456789abcdef" * 4) == "1.0123456789ab"


def test_archive_is_of_sorted_names_and_roots():
    """A deb's files are the same archive whoever made the tree, and when."""
    argv = packaging.archive_argv("/build")
    assert {"--sort=name", "--owner=0", "--group=0", "--numeric-owner"} < set(argv)
    assert "--hard-dereference" in argv
    assert argv[-3:] == ["--directory", "/build", "./opt"]


def test_compression_is_what_every_dpkg_reads():
    """A window that dpkg refuses, or a count of workers that varies, is never asked."""
    argv = packaging.compress_argv("/t")
    assert "--long=27" in argv
    assert "-T2" in argv
    assert argv[-2:] == ["-o", "/t"]
