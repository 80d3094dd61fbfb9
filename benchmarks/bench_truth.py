"""Is the figure true: a worker that dirties a known number of pages, by copying and by allocating, in C and in Python."""

from common import measure, show, zygote

from pytest_cowmem.measure.kernel import PAGE

SIZES = (1, 16, 256, 4096, 51200)  # pages: 4 KiB to 200 MiB
KINDS = {"copied": ("rewrite_c", "rewrite_python"), "fresh": ("allocate_c", "allocate_python")}
# Python's allocator first fills free space on pages the master has too, which makes them copied: here, only private can be told before.
REUSES = ("allocate_python",)


def main() -> None:
    rows: list[list[object]] = []
    with zygote("pages:app") as running:
        for metric, functions in KINDS.items():
            for function in functions:
                quiet = measure(running, lambda client, f=function: client.call(f"pages:{f}", 0)).values
                for pages in SIZES:
                    values = measure(running, lambda client, f=function, n=pages: client.call(f"pages:{f}", n)).values
                    errors = {name: (values[name] - quiet[name]) // PAGE - pages for name in ("private", metric)}
                    if function in REUSES:
                        errors[metric] = 0
                    allowed = max(8, pages // 100)
                    holds = all(abs(error) <= allowed for error in errors.values())
                    rows.append([function, metric, pages, *errors.values(), allowed, "yes" if holds else "NO"])
    headers = ["what", "metric", "pages", "error of private", "error of metric", "allowed", "holds"]
    show("Truth: errors in pages, beyond the same call with no pages", rows, headers)
    assert all(row[-1] == "yes" for row in rows)


if __name__ == "__main__":
    main()
