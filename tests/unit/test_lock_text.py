"""Requirements and pylock as one text that decides what is installed."""

import pytest

from holodeck import lock_text, pylock_text
from holodeck_io import toml

_A, _B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
_COMMIT = "0123456789" * 4
_PLAIN = f"""\
flask==3.1.3 ; python_version < '3.12' --hash={_A} --hash={_B}
jinja2[i18n]==3.1.6 --hash={_A}
"""
_HASHES = "hashes = {sha256 = '" + "B" * 64 + "'}"
_HEAD = 'lock-version = "1.0"\ncreated-by = "uv"\nrequires-python = ">=3.10"\n'
_SDIST = "sdist = {url = 'https://h/beta.tar.gz', size = 9, " + _HASHES + "}\n"
_FIRST = "{url = 'https://h/b1.whl', " + _HASHES + "}"
_SECOND = (
    "{url = 'https://h/b2.whl', upload-time = 2024-11-08T17:25:47Z, " + _HASHES + "}"
)
_BETA = (
    "[[packages]]\nname = 'Beta_x'\nversion = '1.0'\nmarker = \"os_name == 'posix'\"\n"
    f"{_SDIST}wheels = [{_SECOND}, {_FIRST}]\n"
)
_VCS = "vcs = {type = 'git', url = 'https://h/x'"
_OTHER = "[[packages]]\nname = 'other'\nversion = '1.0'\n"


def _pylock(text, **options):
    return pylock_text.canonical(toml.parsed(text), **options)


@pytest.mark.parametrize(
    "text",
    [
        _PLAIN,
        "# a comment\n" + _PLAIN.replace("\n", "   # via x\n"),
        _PLAIN.replace("\n", "\r\n"),
        _PLAIN.replace(" --hash", " \\\n    --hash"),
        _PLAIN.replace(" --hash=", " --hash "),
        "\n".join(reversed(_PLAIN.splitlines())),
        _PLAIN.replace("flask==", "Flask == ").replace("[i18n]", "[I18N]"),
        _PLAIN.replace(f"{_A} --hash={_B}", f"sha256:{'B' * 64} --hash={_A}"),
        "--require-hashes\n--pre\n--trusted-host h\n" + _PLAIN,
        _PLAIN.replace(" ; ", ";"),
    ],
)
def test_requirements_of_the_same_packages_are_the_same_text(text):
    """Comments, order, line breaks and spellings make no other lock."""
    assert lock_text.requirements(text) == (_PLAIN, True)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("flask", "no package of one version"),
        ("flask>=3", "no package of one version"),
        ("flask==3.*", "no package of one version"),
        ("flask==3,<4", "no package of one version"),
        ("./here", "no package of one version"),
        ("-e .", "--no-emit-project"),
        ("-r other.txt", "other.txt, which is not at hand"),
        ("-c other.txt", "-c"),
        ("--no-build-isolation", "--no-build-isolation"),
        ("--find-links ./wheels", "./wheels"),
        ("x @ file:///x.whl", "file:///x.whl"),
        (f"x==1 --config-settings=a --hash={_A}", "no package of one version"),
        (f"x==1 --hash=md5:{'a' * 32}", "no SHA-2 hash"),
        ("x==1 --hash=sha256:abc", "no SHA-2 hash"),
        ("x==1", "has no hash for x==1"),
        (f"x==1 # --hash={_A}", "has no hash for x==1"),
        (f"x @ git+https://h/x@{_COMMIT}", "has no hash for x @ git"),
        (f"x @ https://h/${{TOKEN}}/x.whl --hash={_A}", "${TOKEN}"),
    ],
)
def test_requirements_refuse_what_cannot_be_repeated(line, named):
    """Each line counts: one good one does not excuse another."""
    with pytest.raises(lock_text.UnfitLockError) as caught:
        lock_text.requirements(f"{_PLAIN}{line}\n")
    assert named in str(caught.value)


@pytest.mark.parametrize("text", ["", "# nothing\n", "--pre\n"])
def test_requirements_refuse_a_lock_without_packages(text):
    """An empty file is an accident, never a service without dependencies."""
    with pytest.raises(lock_text.UnfitLockError, match="names no package"):
        lock_text.requirements(text)


def test_requirements_without_hashes_are_taken_where_allowed():
    """What has a hash keeps it, and the lock says that not all do."""
    text, hashed = lock_text.requirements(f"x==1\n{_PLAIN}", allow_unhashed=True)
    assert text == f"{_PLAIN}x==1\n"
    assert hashed is False


@pytest.mark.parametrize(
    "revision",
    ["", "@main", "@v1.0", f"@{_COMMIT[:39]}", f"@{_COMMIT}@main", f"@{_COMMIT}?a",
     f"#{_COMMIT}", f"#@{_COMMIT}"],
)  # fmt: skip
def test_requirements_of_git_name_one_commit(revision):
    """A branch or tag is refused even where no hash is asked for: it moves."""
    with pytest.raises(lock_text.UnfitLockError) as caught:
        lock_text.requirements(f"x @ git+https://h/x{revision}", allow_unhashed=True)
    assert "takes x from 'git+https://h/x" in str(caught.value)
    assert "which names no one commit" in str(caught.value)
    assert "40 hexadecimal digits" in str(caught.value)


@pytest.mark.parametrize("end", ["", "#subdirectory=a", "#egg=x@main"])
@pytest.mark.parametrize("start", ["https://h/x.git", "ssh://git@h/x"])
def test_requirements_of_one_commit_are_taken_where_allowed(start, end):
    """The whole commit pins a package as a version does."""
    line = f"x @ git+{start}@{_COMMIT}{end}\n"
    assert lock_text.requirements(line, allow_unhashed=True) == (line, False)


def test_requirements_keep_indexes_in_their_order():
    """The first index counts first."""
    text, _ = lock_text.requirements(
        f"-i https://b/simple\n--extra-index-url=https://a/simple\n{_PLAIN}"
    )
    assert text.splitlines()[:2] == [
        "--index-url https://b/simple",
        "--extra-index-url https://a/simple",
    ]
    assert lock_text.pins(text) == _PLAIN


def test_requirements_take_a_hash_from_the_url():
    """A URL's fragment proves the file as an option does."""
    url = "x @ https://h/x.whl"
    fragment, _ = lock_text.requirements(f"{url}#sha256={'a' * 64}\n")
    option, _ = lock_text.requirements(f"{url} --hash={_A}\n")
    assert fragment == option == f"{url} --hash={_A}\n"
    assert lock_text.pins(fragment) == ""


def test_requirements_include_other_files():
    """A lock in two files is the same as in one; a circle is an error."""
    first, rest = _PLAIN.splitlines(keepends=True)
    text, _ = lock_text.requirements(f"{first}-r b.txt\n", include={"b.txt": rest}.get)
    assert text == _PLAIN
    with pytest.raises(lock_text.UnfitLockError, match="includes it again"):
        lock_text.requirements("-r b.txt", include=lambda _: "-r b.txt")


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://ci:hunter22@index.example.org/simple",
        "# once https://ci:hunter22@index.example.org/simple",
        "x @ git+https://hunter22@index.example.org/x@0123",
        "x @ git+ssh://ci:hunter22@index.example.org/x@0123",
        "--index-url https://ci:hun'ter22@index.example.org/simple",
        'x @ https://ci:"hunter22@index.example.org/x.whl',
        'url = "https://ci:\\"hunter22@index.example.org/x.whl", index = "https://h"',
        "-i https://ci:x@hunter22@index.example.org/simple # by a@example.com",
        "-i https://ci:x'@hunter22@index.example.org",
        "-i https://ci:x?#@hunter22#?y@index.example.org/simple",
    ],
)
def test_credentials_are_refused_and_not_shown(line):
    """The error names line and host, never the secret; comments count too."""
    with pytest.raises(lock_text.UnfitLockError) as caught:
        lock_text.requirements(f"{_PLAIN}{line}\n", allow_unhashed=True)
    assert "line 3" in str(caught.value)
    assert "a URL of index.example.org; take" in str(caught.value)
    assert "hunter22" not in str(caught.value)
    assert "ter22" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["ssh://git@h/x", "https://h/x@0123", "https://h:1/@a", 'https://h", "mail@h"'],
)
def test_credentials_are_not_seen_where_none_are(url):
    """A user of ssh, a commit and a port are no secrets."""
    lock_text.refuse_credentials(f"x @ git+{url}\n")


def test_pylock_is_the_same_text_without_what_only_informs():
    """Sizes, times, order and spellings make no other lock."""
    text, hashed = _pylock(f"{_HEAD}{_BETA}{_OTHER}{_SDIST}")
    twin = _BETA.replace("Beta_x", "beta.X").replace("size = 9, ", "size = 8, ")
    twin = twin.replace(f"{_SECOND}, {_FIRST}", f"{_FIRST}, {_SECOND}")
    other, _ = _pylock(f"{_HEAD.replace('uv', 'pdm')}# x\n{_OTHER}{_SDIST}{twin}")
    assert (text, hashed) == (other, True)
    first, second = toml.parsed(text)["packages"]
    assert (first["name"], second["name"]) == ("beta-x", "other")
    assert first["marker"] == "os_name == 'posix'"
    assert [wheel["url"][-6:] for wheel in first["wheels"]] == ["b1.whl", "b2.whl"]
    assert "size" not in first["sdist"]


@pytest.mark.parametrize("value", ['a"b', "a\\b", "ä\u2028", "\x7f\x01\n", "it's"])
def test_pylock_texts_survive(value):
    """What is written is what was read, whatever is in it."""
    data = toml.parsed(f"{_HEAD}{_BETA}")
    data["packages"][0]["marker"] = value
    text, _ = pylock_text.canonical(data)
    assert toml.parsed(text)["packages"][0]["marker"] == value


@pytest.mark.parametrize(
    ("package", "named"),
    [
        ("", "no file for other"),
        ('directory = {path = "../x"}', "other from ../x"),
        ('archive = {path = "x.whl"}', "other from x.whl"),
        ('wheels = [{path = "x.whl"}]', "other from x.whl"),
        (f"{_VCS}, commit-id = '{_COMMIT}'}}", "no hash"),
        (f"{_VCS}, commit-id = 'main'}}", "takes other from no one commit"),
        (f"{_VCS}}}", "no one commit"),
        ('wheels = [{url = "https://h/x", hashes = {}}]', "no hash for every file"),
        ('wheels = [{url = "https://h/x", hashes = {md5 = "0"}}]', "no hash for every"),
    ],
)
def test_pylock_refuses_what_cannot_be_repeated(package, named):
    """Every file of every package has a hash and a URL."""
    with pytest.raises(lock_text.UnfitLockError) as caught:
        _pylock(f"{_HEAD}{_BETA}{_OTHER}{package}\n")
    assert named in str(caught.value)


def test_pylock_refuses_another_format():
    """A version that did not exist is not guessed at."""
    with pytest.raises(lock_text.UnfitLockError, match=r"'2.0'"):
        _pylock(_HEAD.replace("1.0", "2.0"))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("packages = 'x'", "'x' for its packages, where a list"),
        ("packages = ['x']", "'x' for one of its packages, where a table"),
        ("packages = [{version = '1'}]", "'' for the name of package 1"),
        ("packages = [{name = 7}]", "7 for the name of package 1, where a text"),
        ("packages = [{name = 'a\\n-r b'}]".replace("'", '"'), "-r b' for the name of"),
        ("packages = [{name = 'a', version = 1}]", "1 for the version of a, where a t"),
        ("packages = [{name = 'a', marker = []}]", "[] for the marker of a, where a t"),
        ("packages = [{name = 'a', archive = 'xpath'}]", "'xpath' for the archive"),
        ("packages = [{name = 'a', directory = 'path'}]", "'path' for the directory"),
        ("packages = [{name = 'a', sdist = []}]", "[] for the sdist"),
        ("packages = [{name = 'a', vcs = 'x'}]", "'x' for the vcs"),
        ("packages = [{name = 'a', vcs = {commit-id = 1}}]", "1 for the commit-id"),
        ("packages = [{name = 'a', wheels = 'x'}]", "'x' for the wheels"),
        ("packages = [{name = 'a', wheels = ['x']}]", "'x' for one of the wheels"),
        ("packages = [{name = 'a', wheels = [{url = 1}]}]", "1 for the url"),
        ("packages = [{name = 'a', wheels = [{}]}]", "takes a from no URL"),
        ("packages = [{name = 'a', wheels = [{url = 'https://h/a', hashes = 'b'}]}]",
         "'b' for the hashes of a, where a table"),
        ("environments = [1]", "1 where a text should stand"),
    ],
)  # fmt: skip
def test_pylock_of_another_shape_is_refused(text, named):
    """The error has the value, what should stand there, and what to do."""
    with pytest.raises(lock_text.UnfitLockError) as caught:
        _pylock(f'lock-version = "1.0"\n{text}\n')
    assert named in str(caught.value)
    assert str(caught.value).startswith(("has ", "takes "))
    assert "lock again." in str(caught.value) or "publish it" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("package = 'x'", "'x' for its packages, where a list should stand"),
        ("package = ['x']", "'x' for one of its packages, where a table"),
        ("[[package]]\nname = 'a'\nsource = 'x'", "'x' for the source of a, where a t"),
        ("[[package]]\nname = 'a'\nsource = {path = 1}", "1 for the path of a, where"),
    ],
)
def test_uv_lock_of_another_shape_is_refused(text, named):
    """What uv would not have written is named before uv reads it."""
    with pytest.raises(lock_text.UnfitLockError) as caught:
        pylock_text.refuse_outside(toml.parsed(text))
    assert named in str(caught.value)


def test_pylock_pins_are_requirements():
    """What builds a package can be held to the lock's versions."""
    text = pylock_text.pins(toml.parsed(f"{_HEAD}{_BETA}"))
    assert text == f"beta-x==1.0 ; os_name == 'posix' --hash={_B}\n"
    assert lock_text.requirements(text) == (text, True)


@pytest.mark.parametrize(
    ("where", "refused"),
    [
        ('{ editable = "." }', False),
        ('{ directory = "members/x" }', False),
        ('{ registry = "https://h/simple" }', False),
        ('{ directory = "../x" }', True),
        ('{ editable = "/srv/x" }', True),
        ('{ path = "x.whl" }', True),
    ],
)
def test_uv_lock_with_files_beside_the_commit_is_refused(where, refused):
    """What no other builder would have is named before uv looks for it."""
    data = toml.parsed(f'[[package]]\nname = "x"\nsource = {where}\n')
    if not refused:
        pylock_text.refuse_outside(data)
        return
    with pytest.raises(lock_text.UnfitLockError, match="takes x from"):
        pylock_text.refuse_outside(data)


def test_changed_names_packages_that_are_other_files():
    """Only what is in both, with any difference; new and gone ones are seen by uv."""
    old = f"--index-url https://h\na-b==1 --hash={_A}\nc==1\nd==1\nf @ https://h/f\n"
    new = f"a-b==1 --hash={_B}\nc==1\ne==1\nf @ https://g/f\n"
    assert lock_text.changed(old, new) == ["a-b", "f"]
    text, _ = _pylock(f"{_HEAD}{_BETA}")
    other, _ = _pylock(f"{_HEAD}{_BETA.replace('https://h/b1', 'https://g/b1')}")
    assert lock_text.changed(text, other) == ["beta-x"]
    assert lock_text.changed(text, text) == []
