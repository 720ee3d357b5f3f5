#!/usr/bin/env python3
"""Judges bills of materials: sbom.py spdx|cyclonedx FILE...

By SPDX's own Python tools, and by the strict schema of CycloneDX with its references followed. What is
wrong is printed, a line each, and the exit status is 1; target/checkers has what it needs.
"""

import json
import sys
from pathlib import Path

from cyclonedx.exception import CycloneDxException
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from spdx_tools.spdx.parser.error import SPDXParsingError
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document


def spdx(path):
    try:
        document = parse_file(path)
    except SPDXParsingError as error:
        return error.get_messages()
    wrong = [f"{m.context.spdx_id}: {m.validation_message}" for m in validate_full_spdx_document(document)]
    for package in document.packages:
        wrong += purls(r.locator for r in package.external_references if r.reference_type == "purl")
    return wrong


def cyclonedx(path):
    text = Path(path).read_text()
    errors = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text, all_errors=True)
    wrong = [str(error.data.message) for error in errors or []]
    if wrong:
        return wrong
    document = json.loads(text)
    # neither the schema nor the library says that a name is there once
    names = [c["bom-ref"] for c in [document["metadata"]["component"], *document["components"]]]
    wrong += [f"{name} is there twice" for name in set(names) if names.count(name) > 1]
    wrong += purls(c["purl"] for c in document["components"])
    try:
        Bom.from_json(document).validate()
    except CycloneDxException as error:
        wrong.append(str(error))
    return wrong


def purls(all_of_them):
    """Each in its canonical form, by the specification's Python library."""
    wrong = []
    for purl in all_of_them:
        try:
            canonical = PackageURL.from_string(purl).to_string()
        except ValueError as error:
            wrong.append(f"{purl}: {error}")
            continue
        # of alpm's names it lowers what is percent-encoded too, which is the same
        if canonical.lower() != purl.lower():
            wrong.append(f"{purl} is written {canonical}")
    return wrong


def main():
    judge = {"spdx": spdx, "cyclonedx": cyclonedx}[sys.argv[1]]
    wrong = [f"{Path(path).name}: {line}" for path in sys.argv[2:] for line in judge(path)]
    print("\n".join(wrong) if wrong else f"valid: {len(sys.argv) - 2}")
    sys.exit(1 if wrong else 0)


main()
