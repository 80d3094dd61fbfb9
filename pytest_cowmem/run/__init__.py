"""One pytest run, from its settings to its document. Runs in the pytest process."""
