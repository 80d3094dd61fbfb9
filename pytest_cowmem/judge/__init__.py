"""What budget and baseline say of a measurement. Pure. Runs in the pytest process."""
