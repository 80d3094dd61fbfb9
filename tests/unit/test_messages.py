"""Every message that comes back has named fields, and every kind of message is another one."""

import re
from pathlib import Path

import pytest

from pytest_cowmem.host.answers import ANSWERS, Done, Mixed, named
from pytest_cowmem.zygote import messages

SOURCE = Path(messages.__file__).read_text()
KINDS = {name: value for name, value in vars(messages).items() if name.isupper()}


def kinds_under(title):
    """The names of the kinds under the comments that begin so."""
    blocks = re.findall(rf"^# {title}[^\n]*\n((?:[A-Z].*\n)+)", SOURCE, re.MULTILINE)
    return set(re.findall(r"^([A-Z]+) =", "".join(blocks), re.MULTILINE))


def test_no_two_kinds_are_alike():
    assert len({*KINDS.values()}) == len(KINDS)


def test_what_comes_back_has_named_fields():
    asked = {"BEGIN", "MARK", "CHARGED", "GROWN", "HELD", "MAP", "LOOK", "LEFT"}
    answering = kinds_under("From the") | asked
    assert {KINDS[name] for name in answering} == set(ANSWERS)


@pytest.mark.parametrize("kind", sorted(ANSWERS))
def test_the_fields_are_those_of_the_table_of_kinds(kind):
    (line,) = re.findall(rf'^[A-Z]+ = "{kind}"(.*)$', SOURCE, re.MULTILINE)
    comment = line.partition("#")[2].rpartition("back:")[2].partition(":")[0]
    words = re.findall(r"\w+", comment)
    fields = getattr(ANSWERS[kind], "_fields")  # noqa: B009
    assert not fields or list(fields) == words[: len(fields)]


def test_a_message_is_read_by_name():
    assert named(("done", 3)) == Done(served=3)
    assert named(("mixed", "200 OK", "404 Not Found", 2)) == Mixed("200 OK", "404 Not Found", 2)
    with pytest.raises(KeyError):
        named(("unheard of",))
