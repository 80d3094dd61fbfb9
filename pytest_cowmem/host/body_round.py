"""The round of a plain test, whose body runs in a fork of pytest. Runs in the pytest process."""

from dataclasses import replace

from pytest_cowmem.host import answers
from pytest_cowmem.host.preforked import Preforked
from pytest_cowmem.host.round import Round
from pytest_cowmem.model.measurement import Sample
from pytest_cowmem.model.metrics import OF_PLAIN_TESTS
from pytest_cowmem.zygote import messages


class BodyRound(Round):
    """A round in which the fork runs the body of `test` once; `result()` comes last."""

    who = "the test's fork"
    counts_forks = ""

    def __init__(
        self, master: Preforked, timeout: float, test: str, *, draws: bool = False
    ) -> None:
        self._test = test
        super().__init__(master, timeout, draws=draws)

    def run_body(self) -> bool:
        """Whether the body raised nothing. It may take as long as it likes."""
        self.pair.socket.settimeout(None)
        self._doing = f"running {self._test}"
        return self.ask((messages.BODY,), answers.Ended).passed

    def finish(self, full: answers.Collected | None = None, *, aging: bool = False) -> Sample:
        """As in Round, with the metrics that a plain test has."""
        sample = super().finish(full, aging=aging)
        values = {name: sample.values[name] for name in OF_PLAIN_TESTS if name in sample.values}
        return replace(sample, values=values)

    def result(self, failure: str) -> bytes:
        """What the fork sends at its end; `failure` says why the test is to fail, or is ""."""
        self._doing = f"reporting {self._test}"
        self.send((messages.JUDGED, failure))
        result = self.receive()
        assert isinstance(result, bytes)
        return result
