"""How a worker is asked for work: one module an interface. Runs in the worker."""
