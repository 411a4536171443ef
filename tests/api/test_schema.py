"""The API's description is valid, and the API does what it says: schemathesis, in this process.

Each case starts from the same rows and is rolled back. ``SCHEMATHESIS_CASES`` says how many cases there
are over all operations (300; the bar is held with 2,000). Failures are reproduced by the test's name.
"""

from __future__ import annotations

import json
import math
import os
from contextlib import suppress
from typing import Any
from unittest import SkipTest

import pytest
import schemathesis
from django.core.cache import cache
from django.db import transaction
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.validation import validate_schema
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks as of_openapi

from cifake_site.openapi import described
from tests.api.conftest import bearer
from tests.api.seeded import of, seed

CASES = int(os.environ.get("SCHEMATHESIS_CASES", "300"))
CHECKS: list[CheckFunction] = [
    not_a_server_error,
    of_openapi.status_code_conformance,
    of_openapi.content_type_conformance,
    of_openapi.response_headers_conformance,
    of_openapi.response_schema_conformance,
    of_openapi.negative_data_rejection,
]
OPERATIONS = [(method.upper(), path) for path, methods in described()["paths"].items() for method in methods]
EACH = math.ceil(CASES / len(OPERATIONS) / 2)  # for data that fit the description, and for others


def test_the_description_is_valid_and_nothing_was_guessed():
    GENERATOR_STATS.reset()
    described.cache_clear()
    with GENERATOR_STATS.silence():
        found = described()
    validate_schema(found)
    assert found["openapi"].startswith("3.1")
    assert not GENERATOR_STATS._warn_cache
    assert not GENERATOR_STATS._error_cache


def test_every_operation_is_described_in_words():
    for path, methods in described()["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            assert operation["description"], path
            assert len(operation["tags"]) == 1, path
            assert operation["security"] == [{"apiKey": []}], path
    tags = {tag["name"] for tag in described()["tags"]}
    used = {each["tags"][0] for methods in described()["paths"].values() for each in methods.values()}
    assert used <= tags


def test_it_is_open_to_everybody_as_json_and_yaml(client):
    found = client.get("/api/schema/")
    assert (found.status_code, found["Content-Type"]) == (200, "application/json")
    assert json.loads(found.content) == json.loads(json.dumps(described(), default=str))
    assert client.get("/api/schema/", headers={"If-None-Match": found["ETag"]}).status_code == 304
    as_yaml = client.get("/api/schema/?format=yaml")
    assert as_yaml["Content-Type"] == "application/yaml"
    assert as_yaml.content.startswith(b"openapi: 3.1")
    assert client.get("/api/schema/", headers={"Accept": "application/yaml"}).content == as_yaml.content


def test_the_page_takes_nothing_from_elsewhere(client):
    found = client.get("/api/docs/")
    assert found.status_code == 200
    page = found.content.decode()
    assert "https://" not in page
    assert "<script>" not in page
    assert "style=" not in page


@pytest.mark.timeout(3600)
def test_the_api_does_what_it_says(application, principal, make_key, subtests):
    headers = bearer(make_key(principal, per_minute=10_000)[1])
    ids = seed(principal)
    schema = schemathesis.openapi.from_dict(described())
    schema.app = application
    made = 0
    for method, path in OPERATIONS:
        known = {name: of(ids, path, name) for name in _variables(path)}
        for mode in GenerationMode:
            strategy = schema[path][method].as_strategy(generation_mode=mode, path_parameters=known)
            with subtests.test(f"{method} {path}, {mode} data"):
                made += _run(strategy, headers)
    assert made >= len(OPERATIONS)
    print(f"{made} cases over {len(OPERATIONS)} operations")


def _run(strategy: Any, headers: dict[str, str]) -> int:
    """Gives how many cases were sent; none where everything fits the description."""
    sent = 0

    def call(case: Any) -> None:
        nonlocal sent
        sent += 1
        cache.clear()  # or the key's limit would soon be all that is seen
        with transaction.atomic():
            try:
                # Whether a key is asked for does not depend on the data: once is enough.
                also = [of_openapi.ignored_auth] if sent == 1 else []
                case.call_and_validate(headers=headers, checks=[*CHECKS, *also])
            finally:
                transaction.set_rollback(True)

    options = {"database": None, "deadline": None, "suppress_health_check": list(HealthCheck)}
    run = settings(max_examples=EACH, derandomize=CASES <= 300, **options)(given(strategy)(call))
    with suppress(Unsatisfiable, SkipTest):
        run()
    return sent


def _variables(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]
