"""Gate the private memory and GC pauses of preforked Python programs with pytest.

The public names are loaded when they are first asked for (PEP 562). The zygote runs as a submodule
of this package, and whatever is imported here would be in its image.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytest_cowmem.host.client import CowWorker
    from pytest_cowmem.model.app import App
    from pytest_cowmem.model.explanation import Explanation

__all__ = ["App", "CowWorker", "Explanation", "__version__"]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version  # a large import, asked for rarely

        return version("pytest-cowmem")
    homes = {
        "App": "pytest_cowmem.model.app",
        "CowWorker": "pytest_cowmem.host.client",
        "Explanation": "pytest_cowmem.model.explanation",
    }
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # not into the zygote

    return getattr(import_module(homes[name]), name)
