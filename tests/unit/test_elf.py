"""What compiled files need, from readelf's words."""

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from holodeck import elf

_TEXT = """
File: /v/lib/a.so
 0x0001 (NEEDED)             Shared library: [libpq-0f.so.5]
 0x0001 (NEEDED)             Shared library: [libssl.so.3]
 0x0001 (NEEDED)             Shared library: [libc.so.6]
 0x0001 (NEEDED)             Shared library: [ld-linux-x86-64.so.2]
  0x0010:   Name: GLIBC_2.9  Flags: none  Version: 2
  0x0020:   Name: GLIBC_2.14  Flags: none  Version: 3
  0x0030:   Name: GLIBC_PRIVATE  Flags: none  Version: 4
  0x0040:   Name: GLIBCXX_3.4  Flags: none  Version: 5

File: /v/lib/x.libs/libpq-0f.so.5
 0x000e (SONAME)             Library soname: [libpq.so.5]
 0x0001 (NEEDED)             Shared library: [libpq.so.5]
 0x0001 (NEEDED)             Shared library: [libm.so.6]
"""
_FILES = ["/v/lib/a.so", "/v/lib/x.libs/libpq-0f.so.5"]


def test_parse_leaves_out_what_the_bundle_brings():
    """Libraries beside the wheel, by name or soname, and the loader are not needed."""
    found = elf.parse(_TEXT, _FILES)
    assert found.libraries == ("libc.so.6", "libm.so.6", "libssl.so.3")
    assert found.files == 2


def test_parse_takes_the_newest_glibc_by_number():
    """Version 2.14 is newer than 2.9."""
    assert elf.parse(_TEXT, _FILES).glibc == "2.14"


@pytest.mark.parametrize("text", ["", "File: /x\nThere is no dynamic section\n"])
def test_parse_of_nothing_needs_nothing(text):
    """A file without a dynamic section needs nothing."""
    assert elf.parse(text, []) == elf.Needs()


def test_debian_depends_names_each_package_once():
    """The packages of the libraries, libc with the version that is really needed."""
    packages = {"libc.so.6": "libc6", "libm.so.6": "libc6", "libssl.so.3": "libssl3"}
    needs = elf.parse(_TEXT, _FILES)
    assert elf.debian_depends(packages, needs) == ["libc6 (>= 2.14)", "libssl3"]
    assert elf.debian_depends(packages, elf.Needs()) == ["libc6", "libssl3"]
    assert elf.debian_depends({}, needs) == []


def test_rpm_requires_names_libraries_and_the_glibc_symbol():
    """RPM knows libraries by their own names."""
    assert elf.rpm_requires(elf.parse(_TEXT, _FILES)) == [
        "libc.so.6()(64bit)", "libm.so.6()(64bit)", "libssl.so.3()(64bit)",
        "libc.so.6(GLIBC_2.14)(64bit)",
    ]  # fmt: skip
    assert elf.rpm_requires(elf.Needs()) == []


@pytest.mark.skipif(not shutil.which("readelf"), reason="needs binutils")
@pytest.mark.parametrize("count", [1, 2])
def test_parse_reads_a_real_readelf(count):
    """What this machine's readelf prints of its own library is understood."""
    folders = [Path("/usr/lib", sysconfig.get_config_var("MULTIARCH") or "."),
               Path("/lib64"), Path("/usr/lib64")]  # fmt: skip
    found = (path for folder in folders for path in folder.glob("libz.so.1"))
    library = str(next(found))
    files = [library, "/bin/sh"][:count]
    done = subprocess.run(
        elf.readelf_argv(files), check=True, capture_output=True, text=True,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    needs = elf.parse(done.stdout, files)
    assert needs.libraries == ("libc.so.6",)
    assert needs.glibc.startswith("2.")
    assert elf.debian_depends({"libc.so.6": "libc6"}, needs) == [
        f"libc6 (>= {needs.glibc})"
    ]
