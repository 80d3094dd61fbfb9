"""Whole runs of pytest with --cowmem: fixtures, markers, and what a failing app does to others."""


def test_output_of_the_app_is_captured_with_its_test(project):
    result = project(
        """
        def test_quiet(cow_worker):
            cow_worker.get("/")
        def test_failing(cow_worker):
            assert cow_worker.get("/").status_code == 404
        """,
        app="bare:prints",
    )
    result.assert_outcomes(passed=1, failed=1)
    output = ["*Captured stdout call*", "printed by the app"]
    errors = ["*Captured stderr call*", "complained by the app"]
    result.stdout.fnmatch_lines(output + errors)


def test_a_run_in_which_collections_could_not_be_recorded_has_a_summary(project):
    result = project("def test_it(cow_worker):\n    cow_worker.call('bare:clear_callbacks')\n")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*::test_it *new"])


def test_cookies_start_over_each_round(project):
    result = project(
        """
        def test_login(cow_worker):
            assert cow_worker.get("/me").status_code == 401
            cow_worker.headers["X-Kept"] = "no"
            page = cow_worker.post("/login", data={"name": "ada"}, follow_redirects=True)
            assert page.json() == {"name": "ada"}
        def test_nobody_is_logged_in(cow_worker):
            assert cow_worker.get("/me").status_code == 401
            assert "X-Kept" not in cow_worker.headers
        """,
        "--cowmem-rounds=3",
        app="flask_shop:app",
    )
    result.assert_outcomes(passed=2)


def test_the_worker_is_not_for_fixtures(project):
    result = project(
        """
        import pytest
        @pytest.fixture
        def logged_in(cow_worker):
            cow_worker.post("/login")
        def test_it(logged_in, cow_worker):
            pass
        """
    )
    result.assert_outcomes(errors=1)
    where = "only inside the test's body: move this request"
    result.stdout.fnmatch_lines([f"E *CannotMeasure: cow_worker serves requests {where}*"])


def test_cow_app_may_return_a_string_or_an_app(project):
    result = project(
        """
        import pytest
        from pytest_cowmem.model.app import App

        class TestString:
            @pytest.fixture(scope="session")
            def cow_app(self):
                return "bare:make('a string')"
            def test_it(self, cow_worker):
                assert cow_worker.get("/").json()[0] == "a string"

        class TestApp:
            @pytest.fixture(scope="session")
            def cow_app(self):
                return App("bare:make('an app')", env={"SHELF": "1"})
            def test_it(self, cow_worker, cow_zygote):
                assert cow_worker.get("/").json()[0] == "an app"
                assert cow_worker.call("bare:environment", "SHELF") == "1"
                assert cow_zygote.app.target == "bare:make('an app')"

        def test_the_ini_files(cow_worker):
            assert cow_worker.get("/").text == "ok"
        """
    )
    result.assert_outcomes(passed=3)


def test_markers_pick_and_vary_the_app_from_afar_and_from_near(project):
    result = project(
        """
        import pytest

        pytestmark = pytest.mark.cow_app("bare:make('module')", gc="off")

        def name_and_gc(worker):
            shelf = worker.call("bare:environment", "SHELF")
            return worker.get("/").json()[0], worker.call("gc:isenabled"), shelf

        def test_module(cow_worker):
            assert name_and_gc(cow_worker) == ("module", False, None)

        @pytest.mark.cow_app(env={"SHELF": "1"})
        class TestClass:
            def test_class(self, cow_worker):
                assert name_and_gc(cow_worker) == ("module", False, "1")

            @pytest.mark.cow_app(gc="freeze")
            def test_options_stack(self, cow_worker):
                assert name_and_gc(cow_worker) == ("module", True, "1")

            @pytest.mark.cow_app("bare:make('test')")
            def test_a_target_starts_over(self, cow_worker):
                assert name_and_gc(cow_worker) == ("test", True, None)
        """
    )
    result.assert_outcomes(passed=4)


def test_apps_have_zygotes_of_their_own_and_keep_them(project):
    result = project(
        """
        import pytest

        seen = {}

        @pytest.mark.parametrize("turn", [1, 2])
        @pytest.mark.parametrize("target", ["bare:quiet", "flask_shop:app", "trivial:app"])
        def test_it(cow_zygote, cow_worker, target, turn):
            cow_worker.get("/")
            assert seen.setdefault(target, cow_zygote.pid) == cow_zygote.pid
            assert len(set(seen.values())) == len(seen)

        @pytest.fixture
        def cow_app(request):
            return request.getfixturevalue("target")
        """
    )
    result.assert_outcomes(passed=6)


def test_an_app_that_cannot_be_imported_harms_its_own_tests_only(project, pytester):
    pytester.makepyfile(broken="def build():\n    raise LookupError('no shelf')\nbuild()\n")
    result = project(
        """
        import pytest

        @pytest.mark.cow_app("broken:app", pythonpath=["."])
        class TestBroken:
            def test_one(self, cow_worker): pass
            def test_two(self, cow_worker): pass

        def test_fine(cow_worker):
            assert cow_worker.get("/").status_code == 200
        def test_unmeasured(): pass
        """
    )
    result.assert_outcomes(passed=2, errors=2)
    # Where CI is set, pytest repeats whole failures in its short summary.
    text = result.stdout.str().partition("short test summary info")[0]
    assert text.count(", line 2, in build") == 1
    assert text.count("its traceback is shown with the first test that needed it") >= 1


def test_an_app_with_an_invalid_field_is_an_error_of_its_own_tests(project, pytester):
    pytester.makeconftest(
        """
        import pytest
        from pytest_cowmem import App

        APP = App("bare:quiet", prepare="bare.fail")

        @pytest.fixture(scope="session")
        def cow_app():
            return APP
        """
    )
    result = project(
        """
        def test_one(cow_worker): pass
        def test_two(cow_worker): pass
        def test_unmeasured(): pass
        """
    )
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["prepare must name a function", "    wrong: prepare='bare.fail'"])
    result.stdout.no_fnmatch_line("*app.py*")  # no frames of this plugin


def test_a_file_that_cannot_be_collected_is_not_taken_for_a_run_without_tests(project, pytester):
    pytester.makepyfile(test_two="import misspelt\n")
    result = project("import misspelt\n")
    result.assert_outcomes(errors=2)
    name = "test_a_file_that_cannot_be_collected_is_not_taken_for_a_run_without_tests.py"
    files = f"{name}, test_two.py"
    result.stdout.fnmatch_lines([f"nothing was measured: not all of {files} was collected"])


def test_zygotes_of_one_app_are_told_apart_in_the_summary(project):
    result = project(
        """
        import pytest

        def test_plain(cow_worker):
            cow_worker.get("/")

        @pytest.mark.cow_app(env={"SHELF": "1"})
        def test_shelf(cow_worker):
            cow_worker.get("/")

        @pytest.mark.cow_app(prepare="gc:collect", gc="off")
        def test_prepared(cow_worker):
            cow_worker.get("/")

        @pytest.mark.cow_app(after_fork="gc:collect", gc="off")
        def test_hooked(cow_worker):
            cow_worker.get("/")
        """
    )
    result.assert_outcomes(passed=4)
    zygotes = [line.partition(": ")[0] for line in result.outlines if line.startswith("zygote ")]
    assert zygotes == [
        "zygote bare:quiet",
        "zygote bare:quiet, env SHELF",
        "zygote bare:quiet, gc off, after_fork gc:collect",
        "zygote bare:quiet, gc off, prepare gc:collect",
    ]


def test_a_dead_worker_or_zygote_fails_its_test_only(project):
    result = project(
        """
        import os
        import signal

        def test_killed(cow_worker):
            cow_worker.get("/kill")
        def test_hangs(cow_worker):
            cow_worker.get("/hang")
        def test_zygote_killed(cow_worker, cow_zygote):
            os.kill(cow_zygote.pid, signal.SIGKILL)
            os.waitid(os.P_PID, cow_zygote.pid, os.WEXITED | os.WNOWAIT)
            cow_worker.get("/fine")
        def test_fine(cow_worker):
            assert cow_worker.get("/fine").status_code == 200
        """,
        app="bare:dies",
        ini="cowmem_timeout = 3",
    )
    result.assert_outcomes(passed=1, failed=3)
    late = "had not answered after 3 s while serving GET /hang, and was killed: *cowmem_timeout"
    result.stdout.fnmatch_lines(
        [
            "E *WorkerDied: the worker was killed by SIGKILL while serving GET /kill",
            f"E *WorkerDied: the worker {late}",
            "*the zygote of 'bare:dies' was killed by SIGKILL; the next test gets a new one",
        ]
    )
    shown = [line for line in result.outlines if not line.startswith(("plugins:", "rootdir:"))]
    assert not [line for line in shown if "httpx2" in line or "client.py" in line]


def test_an_after_fork_that_raises_is_told_without_the_plugins_frames(project):
    result = project(
        """
        import pytest

        @pytest.mark.cow_app(after_fork="bare:fail")
        def test_it(cow_worker):
            cow_worker.get("/")
        """
    )
    result.assert_outcomes(failed=1)
    ended = "the worker exited with code 1 while getting ready, in after_fork='bare:fail'"
    result.stdout.fnmatch_lines([ended, "*LookupError: no such hook"])
    result.stdout.no_fnmatch_line("*round.py*")


def test_a_test_case_is_refused_instead_of_left_unmeasured(project):
    result = project(
        """
        import unittest
        import pytest

        class Test(unittest.TestCase):
            @pytest.mark.usefixtures("cow_worker")
            def test_it(self):
                pass
        """
    )
    result.assert_outcomes(errors=1)
    refused = "test_it is a method of a unittest.TestCase, which cannot be measured: *"
    result.stdout.fnmatch_lines([refused])


def test_tests_of_one_name_in_two_folders_are_told_apart(project, pytester):
    for folder in ("one", "two"):
        pytester.mkpydir(folder).joinpath("test_same.py").write_text(
            "def test_it(cow_worker):\n    cow_worker.get('/')\n"
        )
    result = project("")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["one/test_same.py::test_it *", "two/test_same.py::test_it *"])


def test_threads_of_the_zygote_are_warned_of(project, pytester):
    pytester.makepyfile(
        threaded="import threading\nfrom bare import quiet as app\n"
        "threading.Thread(target=threading.Event().wait, name='sweeper', daemon=True).start()\n"
    )
    result = project("def test_it(cow_worker):\n    cow_worker.get('/')\n", app="threaded:app")
    result.assert_outcomes(passed=1, warnings=1)
    warning = "*threads are alive in the zygote of 'threaded:app'*(sweeper): start *after_fork*"
    result.stdout.fnmatch_lines([warning])


def test_a_worker_that_waits_for_a_thread_of_the_master_fails_with_the_mend(project, pytester):
    pytester.makepyfile(
        looped="""
        import asyncio
        from threading import Thread
        from bare import quiet

        def start():
            global loop
            loop = asyncio.new_event_loop()
            Thread(target=loop.run_forever, name="loop", daemon=True).start()

        def app(environ, start_response):
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
            return quiet(environ, start_response)

        start()
        """
    )
    result = project(
        """
        import pytest

        def test_waits(cow_worker):
            cow_worker.get("/")

        @pytest.mark.cow_app(after_fork="looped:start")
        def test_mended(cow_worker):
            assert cow_worker.get("/").status_code == 200
        """,
        app="looped:app",
        ini="cowmem_timeout = 3",
    )
    result.assert_outcomes(passed=1, failed=1, warnings=2)
    cause = "threads of the master (loop) do not exist in workers"
    late = f"E *WorkerDied: *while serving GET /, and was killed: {cause}, *App(after_fork=...); *"
    result.stdout.fnmatch_lines([late])


def test_children_that_ended_within_the_round_are_noted(project):
    result = project(
        """
        def test_pool(cow_worker):
            cow_worker.call("bare:pool")
        def test_quiet(cow_worker):
            cow_worker.get("/")
        """
    )
    result.assert_outcomes(passed=2)
    told = " ".join(result.stdout.str().split())
    assert "note: the worker had children that ended in time, " in told
    assert "in no figure: App(..., tree=True) counts it (test_pool)" in told


def test_children_have_a_row_each_and_no_note_where_a_tree_is_measured(project):
    result = project(
        """
        import pytest
        @pytest.mark.cow_app(tree=True)
        def test_pool(cow_worker):
            cow_worker.call("bare:pool")
        """
    )
    result.assert_outcomes(passed=1)
    rows = ["-- *::test_pool, children", *(f"*iB  {one} of 2*calling bare:pool" for one in (1, 2))]
    result.stdout.fnmatch_lines(rows)
    result.stdout.no_fnmatch_line("note: *")


def test_a_renamed_fork_does_not_hide_what_was_copied(project):
    """The fork shares 16 MiB, which then look like nobody's."""
    result = project(
        """
        import pytest
        @pytest.mark.mem_budget(private="1 MiB")
        def test_it(cow_worker):
            cow_worker.get("/dirty?4096")
            cow_worker.call("bare:fork_and_rename")
        """,
        app="bare:busy",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the worker had 1 live forks of its own at its end*"])
