"""What budget and baseline say of a measurement: pure functions and frozen dataclasses. Runs in the pytest process."""
