"""What runs inside the measured processes: the standard library only, and as little of it as it can."""
