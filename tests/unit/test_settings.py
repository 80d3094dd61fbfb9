"""Settings: what a run was asked to do, and which numbers it takes."""

import pytest

from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.run.settings import Settings


@pytest.fixture
def settings(pytester):
    """`settings(*options)` are those of a run with these options."""
    return lambda *options: Settings.from_config(pytester.parseconfig(*options))


def test_a_number_is_the_command_lines_else_the_ini_files(settings):
    assert (settings().rounds, settings().timeout) == (3, 60)
    assert settings("-o", "cowmem_rounds=5").rounds == 5
    assert settings("-o", "cowmem_rounds=5", "--cowmem-rounds=7").rounds == 7


@pytest.mark.parametrize("text", ["0.5", "86400", "999999999"])
def test_a_timeout_is_any_positive_number_of_seconds(settings, text):
    assert settings("-o", f"cowmem_timeout={text}").timeout == float(text)


@pytest.mark.parametrize("text", ["0", "-1", "1e9", "inf", "nan", "", "a minute"])
def test_no_other_timeout_is_taken(settings, text):
    with pytest.raises(UsageError, match="cowmem_timeout is a positive number"):
        settings("-o", f"cowmem_timeout={text}")


@pytest.mark.parametrize("text", ["shop acme", "acme-common", "shop.", "shop/views.py", "shop:app"])
def test_own_code_is_named_by_modules_a_line_each(settings, text):
    assert settings().own == []
    assert settings("-o", "cowmem_own=shop\n_acme.common2").own == ["shop", "_acme.common2"]
    with pytest.raises(UsageError, match="cowmem_own names modules") as raised:
        settings("-o", f"cowmem_own=shop\n{text}")
    assert f"wrong: cowmem_own = {text}" in str(raised.value)


def test_a_baseline_option_is_relative_to_where_pytest_runs_and_a_setting_to_its_file(
    settings, pytester
):
    pytester.makeini("[pytest]\ncowmem_baseline = figures/memory.json")
    inner = pytester.mkdir("inner")
    with pytest.MonkeyPatch.context() as moved:
        moved.chdir(inner)
        ini = f"--config-file={pytester.path / 'tox.ini'}"
        assert settings(ini).baseline == pytester.path / "figures/memory.json"
        assert settings(ini, "--cowmem-baseline=b.json").baseline == inner / "b.json"
