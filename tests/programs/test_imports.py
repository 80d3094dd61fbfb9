"""`cowmem imports`: what each import cost, beside what the process grew by."""

import fcntl
import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_cowmem.host import procfs
from pytest_cowmem.model.imports import Import

COMMAND = [sys.executable, "-m", "pytest_cowmem.cli", "imports"]
# A process that says when it is about to import a module, and when it has.
PLAIN = """
import sys
for step in 1, 2:
    sys.__stdout__.write("now\\n")
    sys.__stdout__.flush()
    sys.__stdin__.readline()
    if step == 1:
        __import__(sys.argv[1])
"""


def imports(*arguments, cwd=None):
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=cwd,
        input="a line\n",
    )


def growth(module, folder):
    """What a plain process grows by that imports a module, read from outside."""
    command, pipe = [sys.executable, "-c", PLAIN, module], subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe) as process:
        assert process.stdin
        assert process.stdout
        amounts = []
        while line := process.stdout.readline():
            if line == b"now\n":
                amounts.append(procfs.anonymous(process.pid))
                process.stdin.write(b"\n")
                process.stdin.flush()
    before, after = amounts
    return after - before


def tree(*arguments, cwd=None):
    return json.loads(imports(*arguments, "--json", cwd=cwd).stdout)


def flat(one):
    yield one
    for inner in one["imports"]:
        yield from flat(inner)


@pytest.mark.parametrize("module", ["django.contrib.admin", "flask"])
def test_all_is_what_the_process_grows_by(module, tmp_path):
    growth(module, tmp_path)  # it may compile
    grown = growth(module, tmp_path)
    told = tree(module, cwd=tmp_path)
    assert grown > 5 * 2**20
    assert told["bytes"] == pytest.approx(grown, rel=0.05)
    assert sum(one["own"] for one in flat(told)) == told["bytes"]


def test_a_module_costs_what_it_keeps_and_its_importer_that_as_well(tmp_path):
    (tmp_path / "outer.py").write_text("import inner\nkept = bytes(range(256)) * 4096\n")
    (tmp_path / "inner.py").write_text("kept = [bytes(1000) for _ in range(3000)]\n")
    found = {one["module"]: one for one in flat(tree("outer", cwd=tmp_path))}
    assert found["inner"]["own"] == pytest.approx(3000 * 1033, rel=0.1)
    assert found["outer"]["own"] == pytest.approx(2**20, rel=0.1)
    assert found["outer"]["bytes"] == found["outer"]["own"] + found["inner"]["bytes"]
    text = imports("outer", cwd=tmp_path).stdout
    assert text.index("outer") < text.index("  inner")


def test_a_factory_is_called_and_what_it_imports_counts(tmp_path):
    (tmp_path / "made.py").write_text("def create(n):\n    import late\n    return [0] * n\n")
    (tmp_path / "late.py").write_text("kept = bytearray(2**21)\n")
    found = {one["module"]: one for one in flat(tree("made:create(500000)", cwd=tmp_path))}
    assert found["late"]["own"] == pytest.approx(2**21, rel=0.1)
    assert found[""]["own"] == pytest.approx(4_000_000, rel=0.1)


def git(folder, *words):
    environ = os.environ | {"GIT_CONFIG_GLOBAL": "/dev/null"}
    names = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *names, *words], cwd=folder, check=True, env=environ)


def committed(folder, files):
    """A repository with one commit."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "one")


def test_what_grew_since_a_commit_is_shown(tmp_path):
    committed(tmp_path, {"src/grows.py": "kept = bytearray(2**20)\n"})
    source = tmp_path / "src" / "grows.py"
    source.write_text("kept = bytearray(3 * 2**20)\n")
    done = imports("grows", "--against", "HEAD", cwd=source.parent)
    rows = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert rows["grows"].count("+2.00 MiB") == 2  # with imports, and itself
    assert source.read_text() == "kept = bytearray(3 * 2**20)\n"
    worktrees = ["git", "worktree", "list"]
    left = subprocess.run(worktrees, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert len(left.stdout.splitlines()) == 1


def test_what_grew_since_a_file_is_shown(tmp_path):
    source = tmp_path / "grows.py"
    source.write_text("import big\nkept = bytearray(2**20)\n")
    (tmp_path / "big.py").write_text("kept = bytearray(3 * 2**20)\n")
    (tmp_path / "before.json").write_text(imports("grows", "--json", cwd=tmp_path).stdout)
    source.write_text("import small\nkept = bytearray(2**20)\n")
    (tmp_path / "small.py").write_text("kept = bytearray(2**20)\n")
    done = imports("grows", "--against", "before.json", "--least", "40 KiB", cwd=tmp_path)
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()[2:]}
    assert [*rows] == ["all", "grows", "small", "big"]
    assert [rows["big"][at] for at in (1, 2, 3, 5, 7)] == ["MiB", "0", "B", "MiB", "MiB"]
    assert float(rows["big"][4]) == pytest.approx(-3, abs=0.2)
    assert float(rows["grows"][4]) == pytest.approx(-2, abs=0.2)  # MiB, and what is its own less
    assert rows["grows"][7] in ("B", "KiB")


def test_no_hook_of_git_runs(tmp_path):
    committed(tmp_path, {"grows.py": ""})
    hook = tmp_path / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    assert imports("grows", "--against", "HEAD", cwd=tmp_path).returncode == 0
    assert not (tmp_path / "ran").exists()


def test_a_commit_without_the_present_folder_is_said_to_have_none(tmp_path):
    committed(tmp_path, {"old/grows.py": ""})
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "grows.py").write_text("")
    done = imports("grows", "--against", "HEAD", cwd=tmp_path / "new")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"HEAD has no {tmp_path}/new: go to a folder that it has" in done.stderr


def test_a_module_that_a_commit_lacks_is_said_to_fail_there(tmp_path):
    committed(tmp_path, {"grows.py": ""})
    (tmp_path / "anew.py").write_text("")
    done = imports("anew", "--against", "HEAD", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "while it imported anew at HEAD: mend" in done.stderr


def test_what_is_no_part_of_the_repository_is_not_compared_with_itself(tmp_path):
    committed(tmp_path, {"grows.py": ""})
    done = imports("flask", "--against", "HEAD", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "flask/__init__.py, and not from git" in done.stderr


def test_a_folder_that_is_no_repository_is_said_to_be_none(tmp_path):
    done = imports("wave", "--against", "HEAD", cwd=tmp_path)
    assert done.returncode == 1
    assert "not a git repository" in done.stderr


def test_what_a_module_prints_or_reads_is_not_in_the_way(tmp_path):
    text = (
        "import sys\nprint(sys.argv[1:], sys.stdin.read(), 'hello')\nprint('oh', file=sys.stderr)"
    )
    (tmp_path / "talks.py").write_text(text)
    done = imports("talks", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["imports"][0]["module"] == "talks"
    assert done.stderr == "[]  hello\noh\n"


def test_a_thread_that_never_ends_is_not_waited_for(tmp_path):
    text = "import threading\nthreading.Thread(target=threading.Event().wait).start()\n"
    (tmp_path / "threads.py").write_text(text)
    assert imports("threads", cwd=tmp_path).returncode == 0


def test_a_fork_that_a_module_leaves_is_not_waited_for(tmp_path):
    lines = ["import fcntl, os", "if not os.fork():", "    os.close(1)", "    os.close(2)"]
    lines += ["    fcntl.flock(os.open('lock', os.O_RDONLY), fcntl.LOCK_EX)", "    os._exit(0)"]
    (tmp_path / "forks.py").write_text("\n".join(lines))
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert imports("forks", cwd=tmp_path).returncode == 0


def test_what_another_thread_imports_counts_to_the_import_that_started_it(tmp_path):
    lines = ["import threading", "thread = threading.Thread(target=__import__, args=['inner'])"]
    (tmp_path / "outer.py").write_text("\n".join([*lines, "thread.start()", "thread.join()"]))
    (tmp_path / "deeper.py").write_text("")
    (tmp_path / "inner.py").write_text("import deeper\nkept = bytearray(2**21)\n")
    told = tree("outer", cwd=tmp_path)
    found = {one["module"]: one for one in flat(told)}
    assert not {"inner", "deeper"} & found.keys()
    assert found["outer"]["own"] == pytest.approx(2**21, rel=0.1)
    assert sum(one["own"] for one in flat(told)) == told["bytes"]


def test_an_import_that_fails_and_is_caught_is_within_its_importer(tmp_path):
    lines = [f"try:\n    import {one}\nexcept Exception:\n    pass" for one in ("no", "half")]
    (tmp_path / "tries.py").write_text("\n".join(lines))
    (tmp_path / "half.py").write_text("kept = bytearray(2**21)\nraise ValueError\n")
    (tries,) = tree("tries", cwd=tmp_path)["imports"]
    assert [one["module"] for one in tries["imports"]] == ["no", "half"]
    rows = [line.split()[0] for line in imports("tries", cwd=tmp_path).stdout.splitlines()[2:]]
    assert rows == ["all", "tries", "half"]  # half has given its bytes back


def test_a_namespace_and_a_module_in_it_are_imported(tmp_path):
    (tmp_path / "space" / "inner").mkdir(parents=True)
    (tmp_path / "space" / "inner" / "module.py").write_text("kept = bytearray(2**20)\n")
    found = {one["module"]: one for one in flat(tree("space.inner.module", cwd=tmp_path))}
    assert found["space.inner.module"]["own"] == pytest.approx(2**20, rel=0.1)
    assert tree("space", cwd=tmp_path)["imports"][0]["module"] == "space"


def test_with_a_least_of_0_every_import_has_a_row(tmp_path):
    (tmp_path / "takes.py").write_text("kept = bytearray(2**20)\n")
    (tmp_path / "gives.py").write_text("import takes\ntakes.kept = None\nimport no_such\n")
    (tmp_path / "tries.py").write_text(
        "import takes\ntry:\n    import gives\nexcept ImportError: 0\n"
    )
    rows = imports("tries", "--least", "0", cwd=tmp_path).stdout.splitlines()[2:]
    assert [row.split()[0] for row in rows] == ["all", "tries", "takes", "gives", "no_such"]
    rows = imports("tries", cwd=tmp_path).stdout.splitlines()[2:]
    assert [row.split()[0] for row in rows] == ["all", "tries", "takes", "gives"]


def test_tracebacks_and_warnings_do_not_show_who_watches(tmp_path):
    (tmp_path / "warns.py").write_text("import warnings\nwarnings.warn('old', stacklevel=2)\n")
    (tmp_path / "fails.py").write_text("import warns\nraise RuntimeError\n")
    says = imports("fails", cwd=tmp_path).stderr
    assert f"{tmp_path}/fails.py:1: UserWarning: old" in says
    assert "noted" not in says


@pytest.mark.parametrize(
    ("line", "how"),
    [
        ("raise RuntimeError('it broke')", "exited with code 1"),
        ("import sys; sys.exit(3)", "exited with code 3"),
        ("import os; os._exit(0)", "exited with code 0"),
        ("import os; os.abort()", "was killed by SIGABRT"),
    ],
)
def test_a_module_that_ends_its_process_is_said_to(tmp_path, line, how):
    (tmp_path / "ends.py").write_text(line)
    done = imports("ends", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("it broke") == 2 * line.count("it broke")  # once, by two lines
    assert f"cowmem: python {how} while it imported ends in {tmp_path}" in done.stderr


def test_a_reader_that_has_enough_ends_it_without_a_traceback(tmp_path):
    pipe = subprocess.PIPE
    command = [*COMMAND, "wave"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=pipe, stderr=pipe) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


texts = st.text(max_size=5)
leaves = st.builds(Import, texts, st.integers())
trees = st.recursive(leaves, lambda one: st.builds(Import, texts, st.integers(), st.tuples(one)))


@given(trees)
def test_json_gives_back_the_same_imports(one):
    assert Import.from_json(json.loads(json.dumps(one.as_json()))) == one
    assert sum(one.by_module()[1].values()) == one.bytes


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no_such_module"], "while it imported no_such_module"),
        (["flask:Flask(("], "module:attribute"),
        (["flask", "--against", "no-such-ref"], "git"),
        (["flask", "--against", "broken.json"], "make one with --json"),
        (["flask", "--against", "list.json"], "make one with --json"),
        (["flask", "--against", "list.json", "--json"], "not allowed with"),
        (["../flask"], "module:attribute"),
        (["flask:"], "module:attribute"),
        (["flask:no_such_name"], "while it imported flask:no_such_name in "),
        (["flask", "--against", "other.json"], "is of django on Python 2.7"),
        (["flask", "--least", "much"], "not a size"),
    ],
)
def test_what_cannot_be_told_says_why_in_a_sentence(tmp_path, arguments, says):
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    other = {"target": "django", "python": "2.7", "module": "", "bytes": 0, "imports": []}
    (tmp_path / "other.json").write_text(json.dumps(other))
    done = imports(*arguments, cwd=tmp_path)
    assert done.returncode != 0
    assert says in done.stderr
    assert done.stdout == ""
