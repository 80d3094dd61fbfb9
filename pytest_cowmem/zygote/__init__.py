"""The measured side: the zygote, its twins and workers. It imports the standard library alone.

Two things here look odd on purpose. Annotations are quoted where evaluating them would make objects
in the process that is measured. Some functions in trace/ are nearly equal, since a shared one would
cost a call at each of a program's lines.
"""
