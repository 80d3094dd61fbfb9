"""The gate from end to end, as a user sees it: budgets, the baseline and invalid input."""

import difflib
import json
import re
import shlex
import xml.etree.ElementTree as ElementTree

import pytest

from pytest_cowmem.model.metrics import METRICS

APP = """
import os

KEPT = []
PAGES = int(os.environ.get("PAGES", "16"))

def app(environ, start_response):
    start_response("200 OK", [])
    KEPT.append(bytearray(b"x" * 4096 * PAGES))
    return [b"kept"]
"""

TEST = """
import pytest

def test_kept(cow_worker):
    assert cow_worker.get("/").text == "kept"
"""
# Where the layout is another than the baseline's, what chance may do depends on how many there are.
pytestmark = [pytest.mark.five_layouts, pytest.mark.usefixtures("untraced")]

BURST = '    cow_worker.burst("GET", "/", times=20)\n'


@pytest.fixture
def shop(pytester, monkeypatch):
    """`shop(*args, PAGES=...)` runs a project whose one test costs that many pages."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeini("[pytest]\ncowmem_app = shop:app\ncowmem_rounds = 1\n")
    pytester.makepyfile(shop=APP, test_shop=TEST)

    def run(*args, **environ):
        for name, value in environ.items():
            monkeypatch.setenv(name, str(value))
        return pytester.runpytest(
            "--cowmem", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", *args
        )

    return run


@pytest.fixture
def baseline(pytester):
    """`baseline()` reads the project's baseline file."""
    return lambda: json.loads((pytester.path / "cowmem-baseline.json").read_text())


def told(result):
    """Return what a run printed in one line, since sentences are wrapped to the terminal."""
    return " ".join((result.stdout.str() + result.stderr.str()).split())


def entry(baseline):
    """Return the metrics of the project's one test in its baseline, means where layouts differ."""
    kept = entries(baseline())["test_shop.py::test_kept"]
    figures = {name: value for name, value in kept.items() if name in METRICS}
    figures["gc_collections"] = figures["gc_collections"]["all"]
    return {
        name: value["mean"] if isinstance(value, dict) else value for name, value in figures.items()
    }


def rewrite(pytester, **changes):
    """Write another entry for the project's one test: its own with these values."""
    path = pytester.path / "cowmem-baseline.json"
    data = json.loads(path.read_text())
    kept = entries(data)["test_shop.py::test_kept"]
    kept["conditions"]["layout"] = changes.pop("layout", kept["conditions"]["layout"])
    entries(data)["test_shop.py::test_kept"] = {**kept, **changes}
    path.write_text(json.dumps(data))


def marked(marker):
    """Return the project's test with a marker."""
    return TEST.replace("def", f"@pytest.mark.{marker}\ndef")


def and_another(name):
    """Return the project's test and the same under another name."""
    return TEST + TEST.replace("test_kept", name)


def entries(data):
    (profile,) = data["profiles"].values()
    return profile["tests"]


@pytest.mark.usefixtures("shop")
def test_without_cowmem_the_test_is_skipped_and_the_reason_names_the_flag(pytester):
    result = pytester.runpytest("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*run with --cowmem*"])


def test_a_new_test_passes_and_is_counted_loudly(shop):
    result = shop()
    result.assert_outcomes(passed=1)
    counted = "1 new: no entry in cowmem-baseline.json*"
    result.stdout.fnmatch_lines(["test_shop::test_kept *new", counted, "*--cowmem-update*"])
    assert result.ret == 0


def test_update_then_ok_then_regressed_then_accepted(shop, baseline):
    assert shop("--cowmem-update").ret == 0
    before = entry(baseline)["private"]
    ok = shop()
    ok.stdout.fnmatch_lines(["test_shop::test_kept *ok"])
    assert ok.ret == 0

    red = shop(PAGES=512)
    assert red.ret == 1
    red.assert_outcomes(failed=1)
    red.stdout.fnmatch_lines(
        [
            "private has regressed by *, baseline *",
            "metric * measured * budget * baseline * difference * verdict",
            "private * regressed",
            "*--cowmem-update*",
        ]
    )
    assert entry(baseline)["private"] == before

    accepted = shop("--cowmem-update", PAGES=512)
    assert accepted.ret == 0
    accepted.stdout.fnmatch_lines(["baseline: changed  test_shop.py::test_kept  private * -> *"])
    assert entry(baseline)["private"] > before + 400 * 4096
    assert shop(PAGES=512).ret == 0


def test_an_update_records_the_noise_of_five_layouts(shop, baseline, pytester):
    log = pytester.path / "imports"
    pytester.makepyfile(shop="with open('imports', 'a') as file:\n    file.write('x')\n" + APP)
    assert shop().ret == 0
    log.unlink()
    assert shop("--cowmem-update").ret == 0
    assert log.read_text() == "x" * 5
    written = entries(baseline())["test_shop.py::test_kept"]
    assert written["conditions"]["layout"] != "mixed"
    assert "layouts" not in written  # five, then
    assert written["private"]["first"] % 4096 == 0
    assert 0 < written["private"]["sd"] < 256 * 1024
    log.unlink()
    assert shop("--cowmem-update").ret == 0
    assert log.read_text() == "x"  # what is not written is of one layout


HARMLESS = (
    '"""A docstring."""\n' + APP,
    APP + "\n\ndef unused():\n    return 'a constant of its own'\n",
    APP.replace("KEPT = []", "LIMIT = 12345\nKEPT = []"),
)


def test_edits_that_change_nothing_change_no_line_of_the_baseline(shop, pytester):
    baseline = pytester.path / "cowmem-baseline.json"
    shop("--cowmem-update")
    before = baseline.read_text()
    for app in HARMLESS:
        pytester.makepyfile(shop=app)
        shop("--cowmem-update")
        assert baseline.read_text() == before


def test_a_changed_test_is_a_few_lines_of_a_diff(shop, pytester):
    baseline = pytester.path / "cowmem-baseline.json"
    shop("--cowmem-update")
    before = baseline.read_text().splitlines()
    pytester.makepyfile(shop=APP.replace("* PAGES", "* PAGES * 9"))
    shop("--cowmem-update")
    diff = difflib.ndiff(before, baseline.read_text().splitlines())
    changed = [line for line in diff if line.startswith(("-", "+"))]
    assert 4 <= len(changed) < 12


def test_another_layout_is_decided_by_the_mean_of_several(shop, baseline, pytester):
    assert shop("--cowmem-update", PAGES=512).ret == 0
    mean = entry(baseline)["private"]
    far = {"first": 0, "mean": mean - 400 * 4096, "sd": 8192}
    rewrite(pytester, private=far)
    assert "private has regressed" in told(shop())  # in its own layout the first ones are compared
    rewrite(pytester, layout="another")
    red = shop()
    assert red.ret == 1
    assert "the mean of 2 layouts is compared with the baseline's of 5" in told(red)
    rewrite(pytester, private={**far, "mean": mean - 24 * 4096, "sd": 128 * 1024})
    green = shop()  # beyond the tolerance, and within what chance may make of five and five
    assert green.ret == 0
    assert "is compared with" not in told(green)


def test_where_the_reference_has_moved_too_the_app_is_not_blamed_first(shop, pytester):
    shop("--cowmem-update")
    moved = "a fixed app of the standard library has moved too"
    assert moved not in told(shop(PAGES=512))
    path = pytester.path / "cowmem-baseline.json"
    data = json.loads(path.read_text())
    (profile,) = data["profiles"].values()
    assert profile["reference"].keys() == {"private", "gc_full", "master"}
    profile["reference"]["private"] += 1 << 20
    path.write_text(json.dumps(data))
    red = told(shop(PAGES=512))
    assert f"{moved} since the baseline was written (private" in red
    assert "gc_full" not in red.partition(moved)[2].partition(")")[0]
    assert moved not in told(shop(PAGES=16))


def test_without_another_layout_the_first_one_decides_and_it_is_said(shop, pytester):
    only_once = "import fcntl\nLOCK = open('lock', 'w')\nfcntl.flock(LOCK, fcntl.LOCK_EX | 4)\n"
    pytester.makepyfile(shop=only_once + APP)
    assert "only 1 layout could be measured: the app 'shop:app' could not be" in told(
        shop("--cowmem-update", PAGES=512)
    )
    rewrite(pytester, layout="another", private=4096)
    red = shop()
    assert red.ret == 1
    assert "only 1 layout could be measured" in told(red)
    assert "BlockingIOError" in told(red)


def test_improved_passes_says_how_to_lock_it_in_and_fails_under_the_ratchet(shop):
    shop("--cowmem-update", PAGES=512)
    better = shop(PAGES=16)
    assert better.ret == 0
    better.stdout.fnmatch_lines(["test_shop::test_kept *improved", "*--cowmem-update*"])
    assert shop("-o", "cowmem_ratchet=true", PAGES=16).ret == 1
    assert shop("--cowmem-update=tighten", "-o", "cowmem_ratchet=true", PAGES=16).ret == 0
    assert shop("-o", "cowmem_ratchet=true", PAGES=16).ret == 0


def test_an_exceeded_budget_fails_the_call_phase_in_junit_too(shop, pytester):
    pytester.makepyfile(test_shop=marked("mem_budget(private='8 KiB')"))
    result = shop("--junitxml=report.xml", "--cowmem-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["private is over budget by * of 8.00 KiB"])
    (case,) = ElementTree.parse(pytester.path / "report.xml").iter("testcase")
    (failure,) = case.iter("failure")
    assert "private is over budget" in failure.attrib["message"]
    assert "difference" in (failure.text or "")


def test_a_budget_on_what_cannot_be_had_is_an_error_that_says_why(shop, pytester):
    pytester.makepyfile(test_shop=marked("mem_budget(growth='64 B')"))
    result = shop()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["growth could not be measured: it takes at least 20 requests*"])


def test_a_failed_assertion_is_just_a_failed_test_and_never_reaches_the_baseline(shop, pytester):
    pytester.makepyfile(test_shop=TEST.replace('"kept"', '"something else"'))
    result = shop("--cowmem-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*AssertionError*", "nothing was measured*"])
    assert not (pytester.path / "cowmem-baseline.json").exists()


def test_an_entry_whose_test_is_gone_is_listed_and_then_removed(shop, pytester, baseline):
    pytester.makepyfile(test_shop=and_another("test_gone"))
    shop("--cowmem-update")
    pytester.makepyfile(test_shop=TEST)
    by_name = shop("test_shop.py::test_kept")
    assert "stale:" not in by_name.stdout.str()
    listed = shop()
    assert listed.ret == 0
    listed.stdout.fnmatch_lines(["stale: test_shop.py::test_gone *"])
    shop("--cowmem-update=new")
    assert len(entries(baseline())) == 2
    shop("--cowmem-update").stdout.fnmatch_lines(["baseline: removed  test_shop.py::test_gone"])
    assert list(entries(baseline())) == ["test_shop.py::test_kept"]


def test_only_the_files_collected_whole_have_stale_entries(shop, pytester):
    pytester.makepyfile(test_shop=and_another("test_gone"), test_other=and_another("test_lost"))
    shop("--cowmem-update")
    pytester.makepyfile(test_shop=TEST, test_other=TEST)
    found = shop("test_shop.py", "test_other.py::test_kept").stdout.str()
    assert "stale: test_shop.py::test_gone" in found
    assert "stale: test_other.py" not in found


def test_the_last_failed_alone_make_nothing_stale(shop, pytester):
    other = TEST.replace("test_kept", "test_other")
    pytester.makepyfile(test_shop=TEST + other)
    shop("--cowmem-update", "-p", "cacheprovider")
    pytester.makepyfile(test_shop=marked("mem_budget(private='8 KiB')") + other)
    shop("-p", "cacheprovider")
    again = shop("--lf", "-p", "cacheprovider")
    again.assert_outcomes(failed=1)
    assert "stale:" not in again.stdout.str()


def test_a_deselected_test_is_not_stale(shop, pytester):
    pytester.makepyfile(test_shop=and_another("test_other"))
    shop("--cowmem-update")
    assert "stale:" not in shop("-k", "kept").stdout.str()


def test_entries_are_stale_too_where_no_measured_test_is_left(shop, pytester, baseline):
    shop("--cowmem-update")
    nothing = "nothing was measured: there is no test that uses cow_worker or has a budget"
    for plain in ("def test_plain(): pass", "VALUE = 1"):
        pytester.makepyfile(test_shop=plain)
        shop().stdout.fnmatch_lines([nothing, "stale: test_shop.py::test_kept *"])
    shop("--cowmem-update").stdout.fnmatch_lines(["baseline: removed  test_shop.py::test_kept"])
    assert not any(profile["tests"] for profile in baseline()["profiles"].values())


def test_a_test_picked_by_its_modules_name_makes_nothing_stale(shop, pytester):
    pytester.makepyfile(test_shop=and_another("test_other"))
    shop("--cowmem-update")
    picked = shop("--pyargs", "test_shop::test_kept", "-o", "pythonpath=.")
    picked.assert_outcomes(passed=1)
    assert "stale:" not in picked.stdout.str()


def test_the_commands_that_accept_can_be_copied_and_accept_just_that(shop, pytester):
    pytester.makepyfile(
        test_shop="""
        import os
        import pytest

        @pytest.mark.parametrize("pages", ["a b", "c"])
        def test_kept(cow_worker, pages):
            if os.environ.get("LESS") != pages:
                cow_worker.get("/")
        """
    )
    where = "--cowmem-baseline=other figures.json"
    shop("--cowmem-update", where, LESS="a b")
    text = shop(where, LESS="c").stdout.str()
    commands = re.findall("^to accept: pytest (.*), then commit", text, re.MULTILINE)
    assert len(commands) == 2  # below the test that failed, and at the end
    before = (pytester.path / "other figures.json").read_text()
    for command in commands:
        (pytester.path / "other figures.json").write_text(before)
        accepted = shop(*shlex.split(command), LESS="c").stdout.str()
        changes = re.findall("^baseline: changed *(.*?)  ", accepted, re.MULTILINE)
        assert changes == ["test_shop.py::test_kept[a b]"]


def test_another_environment_has_a_profile_of_its_own(shop, baseline):
    shop("--cowmem-update")
    other = shop(PYTHONMALLOC="malloc")
    assert other.ret == 0
    other.stdout.fnmatch_lines(
        [
            "test_shop::test_kept *incompatible",
            "1 incompatible: cowmem-baseline.json has only",
            "  *-gil-pymalloc",
            "to accept:*",
        ]
    )
    assert shop("--cowmem-strict").ret == 1
    shop("--cowmem-update")
    assert [key.rpartition("-")[2] for key in baseline()["profiles"]] == ["malloc", "pymalloc"]


def test_strict_fails_what_has_no_baseline_and_a_run_that_measured_nothing(shop, pytester):
    result = shop("--cowmem-strict")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*is new, which fails in CI and under --cowmem-strict*"])
    pytester.makepyfile(test_shop="def test_plain(): pass")
    loose = shop()
    assert loose.ret == 0
    loose.stdout.fnmatch_lines(["nothing was measured*"])
    assert shop("--cowmem-strict").ret == 1


def test_a_changed_test_is_still_gated_and_the_text_says_so(shop, pytester):
    shop("--cowmem-update")
    pytester.makepyfile(test_shop=TEST + "    # changed\n")
    assert "note: the test's source has changed since the baseline" in shop().stdout.str()
    assert shop(PAGES=512).ret == 1


TWICE = '{"format": 1, "profiles": {}, "profiles": {}}'
CONFLICT = '<<<<<<< HEAD\n{"format": 1, "profiles": {}}\n>>>>>>> x\n'


@pytest.mark.parametrize("text", ["not json", '{"format": 99, "profiles": {}}', CONFLICT, TWICE])
def test_an_unreadable_baseline_is_a_usage_error_and_stays_as_it_is(shop, pytester, text):
    path = pytester.path / "cowmem-baseline.json"
    path.write_text(text)
    result = shop("--cowmem-update")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: the baseline *cowmem-baseline.json *"])
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-o", "cowmem_app=shop:1"], "must be named as module:attribute"),
        (["-o", "cowmem_rounds=none"], "cowmem_rounds is a positive number"),
        (["-o", "cowmem_timeout=-1"], "cowmem_timeout is a positive number"),
        (["-o", "cowmem_tolerance=private = lots"], "is not a tolerance"),
        (["--cowmem-update", "test_shop.py"], "put paths before the option"),
    ],
)
def test_an_invalid_option_is_a_usage_error(shop, options, words):
    result = shop(*options)
    assert result.ret == 4
    assert words in result.stderr.str()


def test_a_baseline_that_cannot_be_written_is_a_usage_error(shop):
    result = shop("--cowmem-update", "--cowmem-baseline=no/such/folder.json")
    assert result.ret == 4
    assert "cannot be written (its folder does not exist)" in result.stderr.str()


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ("mem_budget(privat='8 KiB')", "there is no metric 'privat'"),
        ("mem_budget(private=0.5)", "0.5 is not a whole number of bytes"),
        ("cow_app('nowhere at all')", "the app must be named as module:attribute"),
    ],
)
def test_an_invalid_marker_is_a_usage_error(shop, pytester, workers, marker, words):
    pytester.makepyfile(test_shop=marked(marker))
    result = shop(*workers)
    assert words in told(result)
    assert result.ret == 4


def test_an_app_that_is_nowhere_is_an_error_of_each_test_that_needs_it(shop, pytester):
    pytester.makepyfile(test_shop=TEST + TEST.replace("kept(", "again("))
    result = shop("-o", "cowmem_app=nowhere.at_all:app")
    result.assert_outcomes(errors=2)
    told = [line for line in result.outlines if line.startswith("the app 'nowhere.at_all:app' ")]
    assert len(told) == 2
    assert all("ModuleNotFoundError: No module named 'nowhere'" in line for line in told)


def test_only_runs_the_measured_tests(shop, pytester):
    pytester.makepyfile(test_shop=TEST + "def test_plain(): pass\n")
    shop("--cowmem-only").assert_outcomes(passed=1, deselected=1)


def test_an_xfail_over_budget_is_an_xfail(shop, pytester):
    pytester.makepyfile(test_shop=marked("xfail\n@pytest.mark.mem_budget(private='8 KiB')"))
    shop().assert_outcomes(xfailed=1)


def test_a_metric_that_is_new_is_told_red_under_strict_and_written(shop, pytester, baseline):
    shop("--cowmem-update")
    pytester.makepyfile(test_shop=TEST + BURST)
    tolerance = ("-o", "cowmem_tolerance=private = 90 MiB")
    shop(*tolerance).stdout.fnmatch_lines(
        ["test_shop::test_kept *new", "new: growth of test_shop.py::test_kept is not in *"]
    )
    strict = shop("--cowmem-strict", *tolerance)
    assert strict.ret == 1
    strict.stdout.fnmatch_lines(["growth is new: * KiB, and the baseline has none"])
    shop("--cowmem-update", *tolerance)
    assert entry(baseline)["growth"] > 4096
    assert shop("--cowmem-strict", *tolerance).ret == 0


def test_a_metric_that_is_gone_is_told_and_an_update_forgets_it(shop, pytester, baseline):
    pytester.makepyfile(test_shop=TEST + BURST)
    shop("--cowmem-update")
    assert "growth" in entry(baseline)
    pytester.makepyfile(test_shop=TEST)
    tolerance = ("-o", "cowmem_tolerance=private = 90 MiB")
    gone = shop(*tolerance)
    assert gone.ret == 0
    missing = "missing: growth of test_shop.py::test_kept could not be measured"
    gone.stdout.fnmatch_lines([missing, "to accept: *--cowmem-update*"])
    assert shop("--cowmem-strict", *tolerance).ret == 1
    forgotten = r"baseline: changed test_shop.py::test_kept .*growth \S+ KiB -> -"
    assert re.search(forgotten, told(shop("--cowmem-update", *tolerance)))
    assert "growth" not in entry(baseline)
    assert shop("--cowmem-strict", *tolerance).ret == 0


def test_a_teardown_that_fails_keeps_a_test_out_of_the_baseline(shop, pytester):
    check = "@pytest.fixture(autouse=True)\ndef check():\n    yield\n    assert 0\n"
    pytester.makepyfile(test_shop=TEST + check)
    shop("--cowmem-update").assert_outcomes(passed=1, errors=1)
    assert not (pytester.path / "cowmem-baseline.json").exists()


def test_what_differs_from_round_to_round_is_noise_and_no_regression(shop, pytester):
    shop("--cowmem-update", "-o", "cowmem_rounds=3")
    sizes = "import itertools\nSIZES = itertools.cycle([1, 300_000])\n"
    kept = "def keep(size):\n    KEPT.append(bytearray(b'x' * size))\n"
    call = "    cow_worker.call('shop:keep', next(SIZES))\n"
    pytester.makepyfile(test_shop=sizes + TEST + call, shop=APP + kept)
    noisy = shop("-o", "cowmem_rounds=3")
    assert noisy.ret == 1
    noisy.stdout.fnmatch_lines(["private is noisy: a quarter of the rounds are * or more from *"])


def test_an_update_says_what_it_changed_of_what_the_settings_gate(shop, pytester):
    late = "def late():\n    import this_is_late\n"
    pytester.makepyfile(this_is_late="", shop=APP + late)
    gate = ("-o", "cowmem_tolerance=imports = 0")
    shop("--cowmem-update", *gate)
    pytester.makepyfile(test_shop=TEST + "    cow_worker.call('shop:late')\n")
    assert shop(*gate).ret == 1
    assert "imports 0 -> 1" in told(shop("--cowmem-update", *gate))


KEEPING = """
import os
from functools import lru_cache

KEPT, LEFT = [], iter(range(50, 0, -1))
KEPT_BY = {
    "nothing": lambda left: (),
    "one": lambda left: [object()],
    "less": lambda left: [object() for _ in range(left)],
    "one in the second worker": lambda left: [object()] if worker() == 2 else (),
}

@lru_cache
def worker():
    file = os.open("workers", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.write(file, b".")
    return os.fstat(file).st_size

def app(environ, start_response):
    start_response("200 OK", [])
    KEPT.extend(KEPT_BY[os.environ["KEEPS"]](next(LEFT)))
    return [b"kept"]
"""


@pytest.fixture
def keeping(shop, pytester):
    """`keeping(*args, KEEPS=...)` runs 50 requests against a baseline where none keeps anything."""
    pytester.makepyfile(shop=KEEPING, test_shop=TEST + BURST.replace("20", "49"))
    shop("--cowmem-update", KEEPS="nothing")
    return shop


@pytest.mark.traced
def test_one_object_kept_a_request_is_red(keeping):
    result = keeping(KEEPS="one")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "growth has regressed by 16 B: 16 B, baseline 0 B, 8 B tolerated",
            "[*] leak: each request leaves 16 B behind, kept in shop.KEPT, 1 entry a request,",
            "  filled at shop.py:*",
        ]
    )


def test_growth_in_one_round_alone_is_none(keeping, pytester):
    result = keeping(KEEPS="one in the second worker")
    result.assert_outcomes(passed=1)
    # A measured round, and two growth rounds.
    assert (pytester.path / "workers").read_text() == "..."


def test_what_is_still_warming_up_is_not_red_and_says_so(keeping):
    result = keeping(KEEPS="less")
    result.assert_outcomes(passed=1)
    assert "so it is not judged: the app is still warming up after 50 requests" in told(result)


def test_a_test_that_explains_itself_knows_its_growth(keeping, pytester):
    leak = TEST + BURST.replace("20", "49")
    leak += '    assert [said.rule for said in cow_worker.explain().advice] == ["leak"]\n'
    pytester.makepyfile(test_shop=leak)
    keeping("-o", "cowmem_tolerance=growth = 1 KiB", KEEPS="one").assert_outcomes(passed=1)
