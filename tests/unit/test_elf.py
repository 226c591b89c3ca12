"""What compiled files need, from readelf's words."""

import pytest

from holodeck import elf

_SITE = "lib/python3.11/site-packages"
_TEXT = f"""
File: ./{_SITE}/pkg/a.so

Dynamic section at offset 0x50a10 contains 27 entries:
 0x000000000000000f (RPATH)              Library rpath: [$ORIGIN/../pkg_x.libs:/usr/lib/q]
 0x0000000000000001 (NEEDED)             Shared library: [libpq-0f.so.5]
 0x0000000000000001 (NEEDED)             Shared library: [libz.so.1]
 0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]

Symbol table '.dynsym' contains 278 entries:
   Num:    Value          Size Type    Bind   Vis      Ndx Name
     0: 0000000000000000     0 NOTYPE  LOCAL  DEFAULT  UND
     1: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND free@GLIBC_2.2.5 (3)
     2: 0000000000000000     0 FUNC    GLOBAL DEFAULT [VARIANT_PCS]  UND inflate
     3: 0000000000001000     8 FUNC    GLOBAL DEFAULT   11 PyInit_a

Version symbols section '.gnu.version' contains 278 entries:
  000:   0 (*local*)       0 (*local*)       2 (GLIBC_9.9)     0 (*local*)

Version definition section '.gnu.version_d' contains 2 entries:
  000000: Rev: 1  Flags: BASE  Index: 1  Cnt: 1  Name: a.so
  0x001c: Rev: 1  Flags: none  Index: 2  Cnt: 1  Name: OWN_1.0

Version needs section '.gnu.version_r' contains 1 entry:
  000000: Version: 1  File: libc.so.6  Cnt: 2
  0x0010:   Name: GLIBC_2.9  Flags: none  Version: 2
  0x0020:   Name: GLIBC_2.14  Flags: WEAK  Version: 3
  0x0030: Version: 1  File: libpq-0f.so.5  Cnt: 1
  0x0040:   Name: PQ_1  Flags: none  Version: 4

File: ./{_SITE}/pkg_x.libs/libpq-0f.so.5
 0x000000000000000e (SONAME)             Library soname: [libpq.so.5]
 0x0000000000000001 (NEEDED)             Shared library: [libm.so.6]
"""  # noqa: E501 # as readelf prints it
_HEAD = b"\x7fELF\x02\x01\x01\x00" + bytes(8) + b"\x03\x00\x3e\x00"


def _file(path, *needed, search=()):
    return elf.File(path=f"{_SITE}/{path}", needed=needed, search=search)


def _needs(files, tree, system):
    return elf.needs(files, tree, lambda library, _: system.get(library, ""))


def test_parse_reads_what_a_file_takes_from_others():
    """Libraries, versions and symbols of others are found; its own are not."""
    one, two = elf.parse(_TEXT).values()
    assert one.needed == ("libpq-0f.so.5", "libz.so.1", "libc.so.6")
    assert one.versions == (
        ("libc.so.6", "GLIBC_2.9"), ("libc.so.6", "GLIBC_2.14"),
        ("libpq-0f.so.5", "PQ_1"),
    )  # fmt: skip
    assert one.symbols == ("free@GLIBC_2.2.5", "inflate@Base")
    assert (two.soname, two.needed) == ("libpq.so.5", ("libm.so.6",))


def test_parse_makes_folders_of_an_rpath():
    """``$ORIGIN`` is the file's folder; absolute folders stay."""
    one, two = elf.parse(_TEXT).values()
    assert one.search == (f"{_SITE}/pkg_x.libs", "/usr/lib/q")
    assert two.search == ()


@pytest.mark.parametrize(
    ("search", "folders"),
    [
        ("$ORIGIN", ("a/b",)),
        ("${ORIGIN}/.", ("a/b",)),
        ("$ORIGIN/../..", ("",)),
        ("$ORIGIN/../../../etc", ()),
        ("relative:", ()),
        ("$ORIGINAL/x", ()),
    ],
)
def test_parse_leaves_out_folders_that_lead_elsewhere(search, folders):
    """An RPATH that climbs out of the tree, or means the working folder, is none."""
    text = f"\nFile: ./a/b/c.so\n 0x1d (RUNPATH)  Library runpath: [{search}]\n"
    assert elf.parse(text)["a/b/c.so"].search == folders


@pytest.mark.parametrize("text", ["", "File: x\nThere is no dynamic section\n"])
def test_parse_of_a_static_file_needs_nothing(text):
    """A file without a dynamic section needs nothing."""
    assert all(not file.needed for file in elf.parse(text).values())


def test_readelf_argv_makes_readelf_name_a_single_file():
    """With one file alone readelf does not say which it is."""
    assert elf.readelf_argv(["x"], symbols=False)[-2:] == ["x", "x"]
    assert elf.readelf_argv(["x", "y"], symbols=True)[-3:] == ["--dyn-syms", "x", "y"]


def test_needs_takes_the_packages_own_libraries_first():
    """What the RPATH leads to, or what is in the same package, is not needed."""
    files = [
        _file("pkg/a.so", "libq.so.1", search=(f"{_SITE}/pkg_x.libs",)),
        _file("pkg/sub/b.so", "libr.so.1"),
        _file("top.so", "libr.so.1"),
    ]
    tree = {
        "libq.so.1": [f"{_SITE}/pkg_x.libs/libq.so.1"],
        "libr.so.1": [f"{_SITE}/pkg.libs/libr.so.1"],
    }
    system = dict.fromkeys(tree, "/usr/lib/x")
    assert _needs(files[:2], tree, system) == ({}, {})
    # Another package's library is not what the loader finds for this one.
    assert _needs(files[2:], tree, system) == ({"libr.so.1": "/usr/lib/x"}, {})
    assert _needs(files[2:], tree, {}) == ({}, {})


def test_needs_names_what_nobody_has():
    """A library that neither the tree nor the system has comes with its users."""
    files = [_file("a.so", "libno.so.1", "libc.so.6"), _file("b.so", "libno.so.1")]
    found = _needs(files, {}, {"libc.so.6": "/lib/libc.so.6"})
    assert found == (
        {"libc.so.6": "/lib/libc.so.6"},
        {"libno.so.1": [f"{_SITE}/a.so", f"{_SITE}/b.so"]},
    )


@pytest.mark.parametrize(("bits", "mark"), [(64, "(64bit)"), (32, "")])
def test_rpm_requires_has_rpms_own_form(bits, mark):
    """Libraries and versions are named as elfdeps names them, private ones never."""
    files = list(elf.parse(_TEXT).values())
    tree = {"libpq-0f.so.5": [files[1].path]}
    present = {"libc.so.6": "/c", "libm.so.6": "/m"}
    bare = "()(64bit)" if mark else ""
    assert elf.rpm_requires(files, tree, present, bits) == sorted([
        f"libc.so.6{bare}", f"libm.so.6{bare}", f"libc.so.6(GLIBC_2.9){mark}",
        f"libc.so.6(GLIBC_2.14){mark}",
    ])  # fmt: skip


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"/* GNU ld script */ ",
        _HEAD[:19],
        _HEAD[:16] + b"\x01\x00" + _HEAD[18:],
        _HEAD[:7] + b"\x09" + _HEAD[8:],
    ],
    ids=["empty", "script", "truncated", "object", "FreeBSD"],
)
def test_identity_of_what_cannot_be_loaded_is_empty(head):
    """Scripts, object files, other systems' and truncated files are no libraries."""
    assert elf.identity(_HEAD)
    assert elf.identity(head) == b""


def test_identity_tells_machines_apart():
    """Class, byte order and machine each make a difference."""
    big = _HEAD[:5] + b"\x02" + _HEAD[6:16] + b"\x00\x03\x00\x15"
    arm = _HEAD[:18] + b"\xb7\x00"
    small = _HEAD[:4] + b"\x01" + _HEAD[5:]
    assert len({elf.identity(head) for head in (_HEAD, big, arm, small)} - {b""}) == 4
    assert [elf.bits(elf.identity(head)) for head in (_HEAD, small)] == [64, 32]


def test_parse_ldconfig_keeps_every_machine():
    """One name may stand for several machines' files."""
    text = (
        "3 libs found in cache `/etc/ld.so.cache'\n"
        "\tlibz.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libz.so.1\n"
        "\tlibz.so.1 (libc6) => /lib/i386-linux-gnu/libz.so.1\n"
        "\tlibc.so.6 (libc6,x86-64, OS ABI: Linux 3.2.0) => /lib/libc.so.6\n"
    )
    assert elf.parse_ldconfig(text) == {
        "libz.so.1": [
            "/lib/x86_64-linux-gnu/libz.so.1", "/lib/i386-linux-gnu/libz.so.1",
        ],
        "libc.so.6": ["/lib/libc.so.6"],
    }  # fmt: skip


def test_missing_text_names_the_library_its_users_and_the_way_out():
    """A reader knows what is missing, for what, and what to write where."""
    text = elf.missing_text("libtk8.6.so", ["d", "c", "b", "a"])
    assert text.startswith("Library libtk8.6.so: a, b, c and 1 more link it")
    assert "`packages: {run: […]}`" in text
