"""The JSON schema of a run's report, as `make schema` writes it. Runs in a process of its own."""

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pytest_cowmem.model import document, document_text

FILE = Path(document.__file__).with_name("document.schema.json")


def schema() -> dict[str, Any]:
    """The schema of a document's fields, and of the format's number beside them."""
    found = TypeAdapter(document.Document).json_schema(mode="serialization")
    found["properties"] = {"format": {"const": document_text.FORMAT}, **found["properties"]}
    found["required"] = ["format", *found.get("required", ())]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **found,
        "title": "A run of pytest --cowmem",
    }


def text() -> str:
    """The file's text."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
