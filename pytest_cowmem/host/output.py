"""What measured processes print, shown in the test that runs. Runs in the pytest process."""

import os
import sys
import tempfile


class Outputs:
    """Standard output and standard error of a zygote and its forks.

    They print to files, since a pipe could fill up and block them.
    """

    def __init__(self) -> None:
        self.stdout = tempfile.TemporaryFile()  # noqa: SIM115
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115
        self._shown = {self.stdout: 0, self.stderr: 0}

    def show(self) -> None:
        """Pass what has come since the last call on to the running test's."""
        for file, stream in ((self.stdout, sys.stdout), (self.stderr, sys.stderr)):
            size = os.fstat(file.fileno()).st_size
            text = os.pread(file.fileno(), size - self._shown[file], self._shown[file])
            self._shown[file] += len(text)
            if text:
                stream.write(text.decode(errors="replace"))

    def close(self) -> None:
        """Show the rest, and let the files go."""
        self.show()
        self.stdout.close()
        self.stderr.close()
