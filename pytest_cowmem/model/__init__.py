"""Frozen values that pass between the parts: no input, no output. Runs in the pytest process."""
