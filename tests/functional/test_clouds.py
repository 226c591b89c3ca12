"""The options that docs/clouds.rst shows, held against the drivers' own source."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import salt.cloud
import salt.cloud.clouds.saltify
import salt.utils.cloud
import yaml

_PACK = Path(__file__).resolve().parents[2]
_DOCS = _PACK / "docs/clouds.rst"
_DRIVERS = {
    "proxmox": "saltext.proxmox",
    "azurerm": "saltext.azurerm",
    "vmware": "saltext.vcf-cloud",
}
_WITHOUT = "saltext.incus"
# Where salt-cloud itself, and its way to deploy, look for options.
_SALT = (salt.cloud, salt.utils.cloud)


def _blocks():
    """Return ``{file: {name: options}}`` of the blocks that are files of salt-cloud."""
    found = re.findall(
        r"code-block:: yaml\n\n((?: {4}.*\n|\n)+)", _DOCS.read_text(encoding="utf-8")
    )
    texts = [re.sub("^ {4}", "", text, flags=re.MULTILINE) for text in found]
    return {
        text.split()[1]: yaml.safe_load(text)
        for text in texts
        if text.startswith("# cloud.")
    }


def _words(*sources):
    """Return every text that stands in some Python files as a constant."""
    trees = [ast.parse(source.read_text(encoding="utf-8")) for source in sources]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    return {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def _of_salt():
    return _words(*(Path(module.__file__) for module in _SALT))


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The packages of the table at its versions, unpacked without what they need."""
    table = _DOCS.read_text(encoding="utf-8").split("\nMachines that exist\n")[0]
    names = [*_DRIVERS.values(), _WITHOUT]
    versions = [re.search(rf"{re.escape(name)} ([\d.]+)", table)[1] for name in names]
    pins = [f"{name}=={version}" for name, version in zip(names, versions, strict=True)]
    target = tmp_path_factory.mktemp("extensions")
    uv = Path(sys.executable).with_name("uv")
    argv = [uv, "pip", "install", "--quiet", "--no-deps", "--target", target, *pins]
    done = subprocess.run(argv, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return target / "saltext"


def _source(packages, driver):
    """Return the file of a driver that is in a package."""
    (found,) = packages.glob(f"*/clouds/{driver}.py")
    return found


def _documented(driver):
    """Return the options of the providers and profiles of a driver, in its blocks."""
    blocks = _blocks()
    providers = {k: v for x in blocks.values() for k, v in x.items() if "driver" in v}
    own = [name for name, options in providers.items() if options["driver"] == driver]
    return [
        options
        for block in blocks.values()
        for name, options in block.items()
        if name in own or options.get("provider") in own
    ]


@pytest.mark.parametrize("driver", _DRIVERS)
def test_options_of_a_driver_are_its_own(packages, driver):
    """What is documented of a driver is read by it, or by salt-cloud for it."""
    provider, profile = _documented(driver)
    known = _words(_source(packages, driver)) | _of_salt()
    assert set(provider) | set(profile) <= known


@pytest.mark.parametrize("driver", ["proxmox", "vmware"])
def test_options_that_a_driver_requires_are_documented(packages, driver):
    """A provider without one of them would not be loaded, in silence."""
    provider, _ = _documented(driver)
    (required,) = [
        [each.value for each in node.args[2].elts]
        for node in ast.walk(ast.parse(_source(packages, driver).read_text()))
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", "") == "is_provider_configured"
    ]
    assert required
    assert set(required) <= set(provider)


def test_package_without_a_driver(packages):
    """Of Incus there is no driver: the page says so as long as it is true."""
    assert (packages / "incus").is_dir()
    assert not (packages / "incus/clouds").exists()


def test_options_of_machines_that_exist_are_known():
    """Each line of the files to copy is an option that is read, also those in #."""
    known = _of_salt() | _words(Path(salt.cloud.clouds.saltify.__file__))
    known |= _words(_PACK / "_clouds/saltify.py")
    known |= _words(*_PACK.glob("_utils/holodeck_saltify/*.py"))
    for file in ("cloud.providers.d/existing.conf", "cloud.profiles.d/existing.conf"):
        text = (_PACK / file).read_text(encoding="utf-8")
        wanted = re.findall(r"^ {2}(?:# )?([a-z_]+):", text, re.MULTILINE)
        assert wanted
        assert set(wanted) - {"driver", "provider"} <= known, file


def test_script_reads_what_profiles_send_it():
    """Paths and variables of the profile and the page are those of the script."""
    script = (_PACK / "cloud.deploy.d/salt-minion.sh").read_text(encoding="utf-8")
    profile = (_PACK / "cloud.profiles.d/existing.conf").read_text(encoding="utf-8")
    page = _DOCS.read_text(encoding="utf-8")
    for name in re.findall(r"/var/cache/holodeck/salt/(\S+)", profile):
        assert f"{name}" in script
    for name in set(re.findall(r"\bSALT_[A-Z]+\b", profile + page)):
        assert f"${{{name}" in script
    assert "/var/log/holodeck-minion.log" in page
    assert "log=/var/log/holodeck-minion.log" in script


def test_script_is_what_salt_cloud_renders(tmp_path):
    """salt-cloud reads scripts as Jinja: this one goes through it unchanged."""
    path = _PACK / "cloud.deploy.d/salt-minion.sh"
    rendered = salt.utils.cloud.os_script(str(path), {}, {})
    assert rendered.strip() == path.read_text(encoding="utf-8").strip()
    # Salt hands another command line to scripts with that word.
    assert "bootstrap-salt" not in rendered
    subprocess.run(["sh", "-n", path], check=True)
