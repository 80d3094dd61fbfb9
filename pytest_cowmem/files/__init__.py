"""The files that users keep: baselines and reports. Runs in the process that asks."""
