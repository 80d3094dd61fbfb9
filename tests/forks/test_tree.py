"""A worker's own descendants, in programs of which it is known what each process writes to."""

import os
import signal
import struct

import pytest

from pytest_cowmem.host import procfs, tree
from pytest_cowmem.model.app import App
from pytest_cowmem.model.errors import CannotMeasure, UsageError

MIB = 2**20
A_FEW = 4 * procfs.PAGE
BY_CHANCE = MIB // 2  # where it is chance who writes first, or threads take part


@pytest.fixture
def loader(zygotes):
    return zygotes.get(App("loader:app", tree=True))


@pytest.fixture
def cost(loader, measure):
    """`cost("name", ...)` is a round's sample, in which the worker calls that function."""
    return lambda name, *args: measure(loader, lambda client: client.call(f"loader:{name}", *args))


def near(amount, by=A_FEW):
    return pytest.approx(amount, abs=by)


def frames(*pids):
    """The page frames that processes have and no file backs (pagemap.rst: 55 bits, PM_FILE)."""
    found = set()
    for pid in pids:
        with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap:
            for start, end, _ in procfs.ranges(pid):
                text = os.pread(
                    pagemap.fileno(), (end - start) // procfs.PAGE * 8, start // 512
                )  # 8 bytes a page
                for (entry,) in struct.iter_unpack("Q", text):
                    if entry >> 63 and not entry >> 61 & 1:
                        found.add(entry & (1 << 55) - 1)
    return found


def own_frames(current):
    """How many frames the worker and its descendants have, and nobody else of the family."""
    twin, master = current.pair.twin, current.master.pid
    return len(frames(*procfs.descendants(twin)) - frames(twin, master))


def test_what_a_worker_has_made_and_its_forks_read_counts_once(cost):
    small, large = (cost("four_that_read", mib).values for mib in (4, 12))
    assert large["private"] - small["private"] == near(8 * MIB)
    assert large["children"] - small["children"] == near(0)


def test_what_each_fork_writes_counts_for_each(cost):
    little, much = (cost("four_that_write", 8, mib) for mib in (2, 6))
    for name in ("private", "children"):
        assert much.values[name] - little.values[name] == near(4 * 4 * MIB)
    for less, more in zip(little.children, much.children, strict=True):
        assert more.private - less.private == near(4 * MIB)


def test_private_is_the_workers_own_and_its_childrens(cost):
    values = cost("four_that_write", 8, 2).values
    parts = ("copied", "fresh", "children")
    assert values["private"] == near(sum(values[part] for part in parts))


def given_back(current):
    """What programs in the tree have had at their highest, and have no more."""
    programs = filter(procfs.has_executed, procfs.descendants(current.pair.twin))
    return sum(most - now for now, most in map(procfs.resident, programs))


@pytest.mark.skipif(frames("self") <= {0}, reason="the kernel hides the numbers of page frames")
@pytest.mark.parametrize(
    "call",
    [
        ("four_that_read", 8),
        ("four_that_write", 8, 2),
        ("grandchildren", 8, 2),
        ("process_that_stays", "forkserver", 4),
    ],
    ids=lambda call: call[0],
)
def test_the_tree_has_the_page_frames_that_nobody_else_has(loader, talk, call):
    name, *args = call
    with talk(loader) as client:
        current = client.current_round()
        before = own_frames(current)
        client.call(f"loader:{name}", *args)
        private = current.private() - given_back(current)
        assert private == near((own_frames(current) - before) * procfs.PAGE)


@pytest.mark.parametrize(
    ("name", "args", "by"),
    [
        ("one_after_another", [2], A_FEW),
        ("raw_end", [], A_FEW),
        ("processes", ["fork", 2], BY_CHANCE),
        ("pool", ["fork", 2], BY_CHANCE),
        ("executor", ["fork", 2], BY_CHANCE),
        ("processes", ["spawn", 1], BY_CHANCE),
        ("program", [], BY_CHANCE),
    ],
)
def test_what_ends_within_a_request_is_read_at_its_end(cost, name, args, by):
    little, much = (cost(name, *args, mib) for mib in (6, 10))
    count = args[-1] if args else 1
    more = much.values["children"] - little.values["children"]
    assert more == near(count * 4 * MIB, by)
    assert not much.children_ended
    assert len(much.children) >= count


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_fork_that_the_worker_kills_is_read_before(cost, number):
    little, much = (cost("killed", mib, int(number)).values["children"] for mib in (2, 6))
    assert much - little == near(4 * MIB)


def test_a_fork_that_the_test_kills_is_as_it_was_when_the_next_request_began(loader, talk):
    with talk(loader) as client:
        client.get("/")
        pid = client.call("loader:one_that_stays", 4)
        client.get("/")
        os.kill(pid, signal.SIGKILL)
        (child,) = client.current_round().finish().children
    assert 4 * MIB < child.private < 6 * MIB


def test_a_page_that_a_fork_leaves_to_its_own_fork_counts_once(cost):
    little, much = (cost("hand_down", mib) for mib in (2, 6))
    assert much.values["children"] - little.values["children"] == near(4 * MIB, BY_CHANCE)
    ended, orphan = (child.private for child in much.children)
    assert ended < 2 * MIB
    assert orphan > 6 * MIB


def test_grandchildren_are_children_too(cost):
    sample = cost("grandchildren", 8, 2)
    parent, *forks = (child.private for child in sample.children)
    assert 8 * MIB < parent < 10 * MIB
    assert all(2 * MIB < fork < 4 * MIB for fork in forks)
    assert len(forks) == 2


def test_a_forkservers_children_share_with_it(cost):
    small, large = (cost("process_that_stays", "forkserver", mib) for mib in (2, 6))
    assert large.values["children"] - small.values["children"] == near(4 * MIB, BY_CHANCE)
    server, child = large.children[-2:]
    assert "from multiprocessing.for" in server.what
    assert child.what == "fork"


def test_each_child_is_told_with_what_the_worker_did(loader, talk):
    with talk(loader) as client:
        client.get("/")
        client.call("loader:one_after_another", 1, 1)
        client.call("loader:program", 1)
        fork, program = client.current_round().finish().children
    assert (fork.what, fork.during) == ("fork", "calling loader:one_after_another")
    assert program.what.startswith("python -S -c kept")
    assert program.during == "calling loader:program"


def test_forks_copy_a_list_that_they_iterate_over_once_each_and_no_packed_data(zygotes, measure):
    zygote = zygotes.get(App("loader:app", prepare="loader:make_array", tree=True))

    def children(*args):
        sample = measure(zygote, lambda client: client.call("loader:epoch", *args))
        return sample.values["children"]

    nothing, of_four = children("nothing", 4), children("records", 4) - children("nothing", 4)
    assert of_four == near(4 * (children("records", 1) - children("nothing", 1)), BY_CHANCE)
    assert of_four > 4 * 3 * MIB
    for packed in ("packed", "array"):
        assert children(packed, 4) - nothing < MIB // 4


def test_a_worker_without_descendants_is_as_one_whose_tree_is_not_measured(cost, zygotes, measure):
    plain = measure(zygotes.get(App("loader:app")), lambda one: one.call("loader:dirty", 8)).values
    whole = cost("dirty", 8).values
    assert whole["children"] == 0
    assert "children" not in plain
    for name in ("private", "copied", "fresh"):
        assert whole[name] == near(plain[name], MIB // 8)


def test_what_is_read_at_the_first_request_has_its_children(loader, talk):
    with talk(loader) as client:
        client.call("loader:four_that_write", 8, 2)
        client.call("time:time")
        values = client.current_round().finish().values
    assert values["first"] == near(values["private"], BY_CHANCE)
    assert values["uss"] > values["private"]


def test_the_app_serves_nothing_before_the_test_asks(loader, talk):
    with talk(loader) as client:
        client.get("/first")
        assert client.call("loader:what_was_served") == ["/first"]


def test_only_a_master_whose_tree_is_measured_loads_what_tells(loader, zygotes):
    telling = "pytest_cowmem.zygote.tree"
    assert telling in loader.facts.modules
    assert telling not in zygotes.get(App("loader:app")).facts.modules


def test_live_forks_are_an_error_that_names_the_option(zygotes, talk):
    with talk(zygotes.get(App("loader:app"))) as client:
        client.call("loader:one_that_stays", 1)
        with pytest.raises(CannotMeasure, match=r"count them too, with App\(\.\.\., tree=True\)"):
            client.current_round().finish()


def test_a_descendant_that_does_not_come_to_rest_is_an_error(loader, talk, monkeypatch):
    monkeypatch.setattr(tree, "_REST_SECONDS", 0.1)
    with talk(loader) as client:
        client.call("loader:one_that_spins")
        client.get("/")
        with pytest.raises(CannotMeasure, match="did not come to rest"):
            client.current_round().finish()


def test_where_the_kernel_does_not_tell_what_lives_is_read_and_the_rest_is_said(zygotes, talk):
    app = App("loader:app", after_fork="loader:take_all_descriptors", tree=True)
    with talk(zygotes.get(app)) as client:
        client.call("loader:with_descriptors", "one_after_another", 1, 8)
        client.call("loader:with_descriptors", "four_that_write", 8, 2)
        sample = client.current_round().finish()
    assert sample.children_ended
    assert len(sample.children) == 4
    assert 16 * MIB < sample.values["private"] < 20 * MIB


def test_an_app_whose_tree_is_no_bool_is_refused():
    with pytest.raises(UsageError, match="tree is True or False"):
        App("loader:app", tree="yes").checked()  # type: ignore[arg-type]
