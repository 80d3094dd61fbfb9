"""The modules that cowmem_own names, in whole runs."""

BODY = """
    import pytest

    def test_it(cow_worker):
        cow_worker.get("/read")
        why = cow_worker.explain()
        paths = [line.path for line in why.lines if line.bytes > 65536]
        assert [path.rpartition("/")[2] for path in paths] == ["FILE"]
"""


def test_named_modules_take_the_place_of_the_root_folders(project):
    for ini, file in (("", "bare.py"), ("cowmem_own = surroundings", "")):
        body = BODY.replace("FILE", file)
        project(body, app="bare:busy", ini=ini).assert_outcomes(passed=1)


def test_a_misspelt_module_is_told_once_with_the_test(project):
    body = "def test_it(cow_worker): cow_worker.get('/')"
    run = project(body, "--cowmem-explain", ini="cowmem_own =\n  bare\n  shop_commen")
    run.assert_outcomes(passed=1)
    said = "".join(run.stdout.lines).replace("  ", " ")
    told = "a traced round failed: cowmem_own names 'shop_commen', a module that cannot be found"
    assert said.count(told) == 1
