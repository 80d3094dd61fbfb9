"""What measured processes print, shown in the test that runs. Runs in the pytest process."""

import os
import sys
import tempfile
from typing import IO, TextIO


class Output:
    """A file that processes print to; a pipe could fill up and block them."""

    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._shown = 0

    def show(self, stream: TextIO) -> None:
        """Pass on what has come since the last call."""
        fd = self.file.fileno()
        text = os.pread(fd, os.fstat(fd).st_size - self._shown, self._shown)
        self._shown += len(text)
        if text:
            stream.write(text.decode(errors="replace"))


class Outputs:
    """Standard output and standard error of a zygote and its forks."""

    def __init__(self) -> None:
        self.stdout, self.stderr = Output(), Output()

    def show(self) -> None:
        """Pass both on to the running test's."""
        self.stdout.show(sys.stdout)
        self.stderr.show(sys.stderr)

    def close(self) -> None:
        """Show the rest, and let the files go."""
        self.show()
        self.stdout.file.close()
        self.stderr.file.close()
