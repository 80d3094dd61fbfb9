"""Why a worker lost its shared pages. Runs in the pytest process."""
