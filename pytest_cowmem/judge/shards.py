"""One run made of parts of it: shards of a suite, or jobs of a matrix. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from pytest_cowmem.judge.three_way import merged
from pytest_cowmem.model.baseline import Baseline
from pytest_cowmem.model.commit import Commit
from pytest_cowmem.model.document import Document
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.model.invocation import Invocation
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.what_if import Advised

T = TypeVar("T")

Named = Sequence[tuple[str, T]]  # parts by their file's name, at least one


def one_baseline(parts: Named[Baseline]) -> Baseline:
    """The profiles and tests of all. UsageError where two have other figures of a test."""
    (first, whole), *others = parts
    names = [first]
    for name, part in others:
        whole, conflicts = merged(Baseline(), whole, part)
        if conflicts:
            profile, test = conflicts[0]
            raise _contradiction(test, profile, names, name, len(conflicts))
        names.append(name)
    return whole


def one_document(parts: Named[Document]) -> Document:
    """One run that has what all of them have. UsageError where they contradict each other."""
    runs = [run for _, run in parts]
    records = _records(parts)
    had = {record.test for record in records} | {one.test for run in runs for one in run.failures}
    return Document(
        records=records,
        failures=_all(run.failures for run in runs),
        unfit=tuple(sorted({test for run in runs for test in run.unfit})),
        head=_head(parts),
        base=_only([run.base for run in runs], None),
        baseline=_same(parts, "baseline", [run.baseline for run in runs]),
        profiles=tuple(sorted({key for run in runs for key in run.profiles})),
        # Forks of another zygote differ by a page or two, so the first part's stand for all.
        reference={key: it for run in reversed(runs) for key, it in run.reference.items()},
        gated=tuple(sorted({metric for run in runs for metric in run.gated})),
        tests=sum(run.tests for run in runs),
        broken=_all(run.broken for run in runs),
        complete=all(run.complete for run in runs),
        # Each is gone where all of its file was seen. Another shard may have it all the same, where
        # a plugin or a conftest divides a file's tests before pytest has them.
        stale=tuple(test for test in _all(run.stale for run in runs) if test not in had),
        unmeasured=_all(run.unmeasured for run in runs),
        invocation=_invocation([run.invocation for run in runs]),
        update=_only([run.update for run in runs], None),
        strict=any(run.strict for run in runs),
        changes=_all(run.changes for run in runs),
        refused=_joined(run.refused for run in runs),
        usage_error=_joined(run.usage_error for run in runs),
        unverified=_joined(run.unverified for run in runs),
        explain=any(run.explain for run in runs),
        ci=any(run.ci for run in runs),
        host_memory=_same(parts, "cowmem_host_memory", [run.host_memory for run in runs]),
        advised=tuple(_advised(runs)),
    )


def _records(parts: Named[Document]) -> tuple[Record, ...]:
    """All records, one a profile and test. UsageError for two that differ."""
    found: dict[tuple[str, str], tuple[str, Record]] = {}
    for name, run in parts:
        for record in run.records:
            first, known = found.setdefault((record.profile, record.test), (name, record))
            if known != record:
                raise _contradiction(record.test, record.profile, [first], name)
    return tuple(record for _, record in found.values())


def _contradiction(
    test: str, profile: str, names: Sequence[str], name: str, tests: int = 1
) -> UsageError:
    others = f", and {tests - 1} more," if tests > 1 else ""
    return UsageError(
        f"{test}{others} has other figures in {' or '.join(names)} than in {name} "
        f"(profile {profile}): merge parts that measured it once"
    )


def _head(parts: Named[Document]) -> Commit | None:
    """The commit of all parts that know theirs, which differs where one of them does."""
    known = [(name, run.head) for name, run in parts if run.head]
    if not known:
        return None
    heads = [head for _, head in known]
    _same(known, "commit", [head.id for head in heads])
    return replace(heads[0], differs=any(head.differs for head in heads))


def _same(parts: Named[object], what: str, values: Sequence[T]) -> T:
    """The value that all have. UsageError, which says `what` it is, where they do not."""
    for (name, _), value in zip(parts, values, strict=True):
        if value != values[0]:
            raise UsageError(
                f"{parts[0][0]} and {name} have another {what} ({values[0]} and {value}): "
                "merge parts of one run"
            )
    return values[0]


def _only(values: Sequence[T], otherwise: T) -> T:
    return values[0] if all(value == values[0] for value in values) else otherwise


def _all(parts: Iterable[Iterable[T]]) -> tuple[T, ...]:
    """What any part has, each once, in their order. Not all of it has a hash."""
    found: list[T] = []
    for part in parts:
        found += [one for one in part if one not in found]
    return tuple(found)


def _joined(sentences: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(filter(None, sentences)))


def _invocation(calls: Sequence[Invocation]) -> Invocation:
    """The call that all were, or the first one's without what picked its tests."""
    of_some = any(call.of_some for call in calls)
    return _only(calls, replace(calls[0], selection=(), joined=of_some))


def _advised(runs: Sequence[Document]) -> Iterator[Advised]:
    """What is best for each app: where its test with fewest workers is."""
    found: dict[tuple[str, str], Advised] = {}
    for one in _all(run.advised for run in runs):
        key = one.app, one.target
        if key not in found or one.before < found[key].before:
            found[key] = one
    yield from found.values()
