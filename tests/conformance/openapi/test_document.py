"""What is committed in docs/ is what the code makes, and is what it says it is.

`openapi-3.1-schema-2022-10-07.json` is the OpenAPI Initiative's own schema of a document, published
as https://spec.openapis.org/oas/3.1/schema/2022-10-07 under the Apache License 2.0.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import (
    Draft202012Validator,
    ValidationError,
)

from emulator.template.parse import load
from paywright.errors import PaywrightError, catalogue
from tests.api import load_function
from tests.conformance.openapi.contract import DOCUMENT, ROOT, response_schema, schema_at
from tests.templates import OWN_PARAMETERS
from tools.reference import __main__ as reference
from tools.reference.operations import OPERATIONS

METASCHEMA = json.loads(Path(__file__).with_name("openapi-3.1-schema-2022-10-07.json").read_text())
BODIES = {
    f"{route} {name}": (operation.body.model, example)
    for route, operation in OPERATIONS.items()
    if operation.body is not None
    for name, example in operation.body.examples.items()
}


@pytest.mark.parametrize("name", sorted(reference.FILES))
def test_what_is_committed_is_what_the_code_makes(name: str) -> None:
    made = reference.FILES[name]()
    assert (ROOT / "docs" / name).read_text() == made, "run `make docs` and commit"


def test_the_document_is_openapi() -> None:
    Draft202012Validator(METASCHEMA).validate(DOCUMENT)


def test_the_metaschema_refuses_what_is_not_openapi() -> None:
    broken = json.loads(json.dumps(DOCUMENT))
    del broken["paths"]["/v1/payments"]["post"]["responses"]["201"]["description"]
    with pytest.raises(ValidationError):
        Draft202012Validator(METASCHEMA).validate(broken)


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["schemas"]))
def test_schemas_are_json_schema(name: str) -> None:
    Draft202012Validator.check_schema(DOCUMENT["components"]["schemas"][name])


def test_references_lead_somewhere() -> None:
    references = re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT))
    assert references
    for pointer in set(references):
        found: Any = DOCUMENT
        for part in pointer.split("/"):
            found = found[part]


def test_routes_are_the_templates() -> None:
    template = load(ROOT / "template.yaml", OWN_PARAMETERS)
    declared = {route.key for api in template.http_apis for route in api.routes}
    documented = {
        f"{method.upper()} {path}" for path, item in DOCUMENT["paths"].items() for method in item
    }
    assert documented == declared == set(OPERATIONS)


def test_operation_ids_are_unique() -> None:
    ids = [
        operation["operationId"]
        for item in DOCUMENT["paths"].values()
        for operation in item.values()
    ]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("case", BODIES)
def test_request_examples_are_accepted(case: str) -> None:
    model, example = BODIES[case]
    model.model_validate(example)
    schema_at("components", "schemas", model.__name__).validate(example)


@pytest.mark.parametrize("route", OPERATIONS)
def test_response_examples_fit_their_schemas(route: str) -> None:
    method, path = route.split()
    for status, response in DOCUMENT["paths"][path][method.lower()]["responses"].items():
        media = response["content"]["application/json"]
        named = [example["$ref"] for example in media.get("examples", {}).values()]
        shown = [DOCUMENT["components"]["examples"][name.split("/")[-1]]["value"] for name in named]
        examples = shown or [media["example"]]
        for example in examples:
            response_schema(method, path, status).validate(example)


@pytest.mark.parametrize("error", catalogue(), ids=lambda error: error.code)
def test_an_errors_doc_url_leads_to_its_anchor(error: type[PaywrightError]) -> None:
    url = error().body("req_1")["error"]["doc_url"]
    page, _, anchor = url.partition("#")
    text = (ROOT / "docs" / page.rpartition("/docs/")[2]).read_text()
    assert text.count(f'<a id="{anchor}"></a>') == 1


def test_fastapi_makes_no_document_in_the_function() -> None:
    assert load_function("merchant").app.openapi_url is None
