import figure


def pytest_runtest_logreport(report):
    """What pytest-cowmem measured; other plugins' reports have no such attribute."""
    if hasattr(report, "cowmem"):
        figure.write(report.cowmem["measurement"]["values"]["private"])
