"""The runner as Salt loads it: options, and answers that end with the right status."""

from pathlib import Path

import pytest
import salt.config
import salt.loader

_PACK = Path(__file__).parents[2]
_FUNCTIONS = ("release", "rollback", "status", "plan", "history", "show", "test",
              "create", "destroy")  # fmt: skip


@pytest.fixture
def runner(tmp_path):
    """The functions of the runner, on a master that defines nothing."""
    opts = salt.config.master_config(None)
    opts.update(
        cachedir=str(tmp_path),
        conf_file=str(tmp_path / "master"),
        module_dirs=[str(_PACK / "salt")],
        runner_dirs=[str(_PACK / "_runners")],
        pillar_roots={"base": [str(tmp_path / "pillar")]},
        file_roots={"base": [str(tmp_path / "holodeck" / "store")]},
        ext_pillar=[],
    )
    return salt.loader.runner(opts)


@pytest.mark.parametrize("name", _FUNCTIONS)
def test_misspelt_option_ends_with_a_failure(runner, name):
    """An option that does not exist is named, and the exit status is not 0."""
    answer = runner[f"holodeck.{name}"](enviroment="demo", __pub_user="root")
    assert answer["data"]["retcode"] == 1
    wanted = f"enviroment: is no option of holodeck.{name}."
    assert answer["data"]["error"] == wanted


@pytest.mark.parametrize("name", _FUNCTIONS)
def test_salts_own_options_are_not_refused(runner, name):
    """What Salt adds to a call is no misspelt option."""
    answer = runner[f"holodeck.{name}"](__pub_user="root")
    assert answer["data"]["retcode"] == 1
    assert "nothing is defined for the id" in answer["data"]["error"]
