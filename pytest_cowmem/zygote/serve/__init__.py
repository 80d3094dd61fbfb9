"""What a worker is asked for: one module an interface, and calls. Runs in the worker."""
