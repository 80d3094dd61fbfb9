"""Is the figure true: a worker that dirties a known number of pages, by copying and by allocating, in C and in Python."""

from common import measure, show, zygote

from pytest_cowmem.host.procfs import PAGE

SIZES = (1, 16, 256, 4096, 51200)  # pages: 4 KiB to 200 MiB
KINDS = {"copied": ("rewrite_c", "rewrite_python"), "fresh": ("allocate_c", "allocate_python")}
# A bytearray smaller than M_MMAP_THRESHOLD (mallopt(3)) may fill a hole of the heap, on pages the master has too, which are then copied:
# how many are fresh cannot be told before, so only private is checked. A larger one is new memory but for a page or two, and is checked.
UNTOLD = {"allocate_python": 128 * 1024 // PAGE}


def main() -> None:
    rows: list[list[object]] = []
    with zygote("pages:app") as running:
        for metric, functions in KINDS.items():
            for function in functions:
                quiet = measure(
                    running, lambda client, f=function: client.call(f"pages:{f}", 0)
                ).values
                for pages in SIZES:
                    values = measure(
                        running, lambda client, f=function, n=pages: client.call(f"pages:{f}", n)
                    ).values
                    checked = (
                        ("private",) if pages <= UNTOLD.get(function, 0) else ("private", metric)
                    )
                    errors = {
                        name: (values[name] - quiet[name]) // PAGE - pages for name in checked
                    }
                    allowed = max(8, pages // 100)
                    holds = all(abs(error) <= allowed for error in errors.values())
                    rows.append(
                        [
                            function,
                            metric,
                            pages,
                            errors["private"],
                            errors.get(metric, "-"),
                            allowed,
                            "yes" if holds else "NO",
                        ]
                    )
    headers = [
        "what",
        "metric",
        "pages",
        "error of private",
        "error of metric (-: not checked)",
        "allowed",
        "holds",
    ]
    show("Truth: errors in pages, beyond the same call with no pages", rows, headers)
    assert all(row[-1] == "yes" for row in rows)


if __name__ == "__main__":
    main()
