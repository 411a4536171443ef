"""Every example of the API's description is sent to the API, and its answer held to the description."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis

from cifake_site.openapi import described
from tests.api.conftest import bearer
from tests.api.seeded import of, seed

JSON = "application/json"
NAMING = {"detections_submit", "webhooks_make"}  # other servers, which tests have none of


def bodies() -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and what is said of the JSON body, of each operation that takes one."""
    return [
        (method.upper(), path, operation["requestBody"]["content"][JSON])
        for path, methods in described()["paths"].items()
        for method, operation in methods.items()
        if JSON in operation.get("requestBody", {}).get("content", {})
    ]


@pytest.mark.timeout(600)
def test_examples_are_real(application, principal, make_key, subtests):
    headers = bearer(make_key(principal)[1])
    ids = seed(principal)
    schema = schemathesis.openapi.from_dict(described())
    schema.app = application
    for method, path, content in bodies():
        operation = schema[path][method]
        known = {part[1:-1]: of(ids, path, part[1:-1]) for part in path.split("/") if part.startswith("{")}
        with subtests.test(f"{method} {path}"):
            assert content.get("examples"), "It has no example."
            for name, example in content["examples"].items():
                case = operation.Case(path_parameters=known, body=example["value"], media_type=JSON)
                answer = case.call_and_validate(headers=headers)
                elsewhere = operation.definition.raw["operationId"] in NAMING
                expected = (422,) if elsewhere else (200, 201, 202)
                assert answer.status_code in expected, (name, answer.text)


def test_examples_of_problems_are_of_their_types():
    from cifake_site.problem_types import TYPES

    for response in described()["components"]["responses"].values():
        for slug, example in response["content"]["application/problem+json"]["examples"].items():
            assert example["value"]["type"] == f"/api/problems/{slug}/"
            assert example["value"]["status"] == TYPES[slug].status
