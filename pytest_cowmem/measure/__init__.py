"""Host side: start a zygote, fork pairs of it, drive the worker, read what it cost. Runs in the pytest process."""
