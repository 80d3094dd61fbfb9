"""Whoever looks at live processes from outside. Runs in the pytest process."""
