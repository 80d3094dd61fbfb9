"""What a worker is asked for: one module an interface, and calls. Runs in the worker.

A new interface is a new module with what `interfaces.Interface` names, and a line in its table.
"""
