"""Gate the private memory and GC pauses of preforked Python programs with pytest.

Deliberately empty: the zygote runs as a submodule of this package, and everything imported here would be in its image.
"""
