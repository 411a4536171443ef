"""Numbers, times and ids that no computer can hold, at every address: an answer, never a fault (500)."""

from __future__ import annotations

import logging
import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import transaction

from cifake_site.openapi import described
from tests.api.seeded import of
from tests.isolation import bodies
from tests.isolation.expected import FULL_KEY, OWNER, Who
from tests.isolation.routes import IDS, fill, routes
from tests.isolation.table import GROUPS
from tests.isolation.world import World

VARIABLE = re.compile(r"\{(\w+)\}")
pytestmark = [pytest.mark.django_db, pytest.mark.timeout(900)]  # thousands of requests, on a busy machine

VALUES = (
    "9999", "0",
    "9" * 5000, "-" + "9" * 5000, "9" * 4000, str(2**63), str(-(2**63) - 1), "1e999", "-1e999", "NaN",
    "Infinity", "1" + "0" * 400 + ".5", "٣", "1_0", " 1", "999999-01-01", "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00", "f" * 32, "person-" + "9" * 5000, "person-" + "9" * 30, "\0",
)  # fmt: skip
JSON_VALUES = ("9" * 5000, "9" * 4000, str(2**63), "1e999", "NaN", "[" + "9" * 4000 + "]", '{"a": 1e999}')
# Of pages, of allauth, and of the admin's lists. A page takes what it knows, whatever else is there.
PARAMETERS = (
    "page", "before", "who", "kind", "from", "to", "q", "verdict", "batch", "until", "trashed", "state",
    "days", "next", "format", "term", "p", "o", "e", "all", "id__exact", "created_at__year",
    "at__year", "at__month",
    "created_at__month", "created_at__day", "created_at__gte", "organisation__id__exact", "object_id",
)  # fmt: skip
HEADERS = (
    "Range",
    "Last-Event-ID",
    "If-Modified-Since",
    "If-None-Match",
    "Idempotency-Key",
    "X-Forwarded-For",
)
ASKING = {"pages": OWNER, "site": OWNER, "api": FULL_KEY, "admin": Who("staff", signed_in=True, staff=True)}


@pytest.fixture
def world() -> Iterator[World]:
    logging.disable(logging.ERROR)
    yield World()
    logging.disable(logging.NOTSET)


@pytest.fixture
def ask(world):
    """``ask(who, method, url, **how)``: the status, or what was raised. Undone again."""

    def ask(who: Who, method: str, url: str, **how: Any) -> str:
        with transaction.atomic():
            try:
                with world.as_it_is_for(who):
                    return str(getattr(world.client(who), method.lower())(url, **how).status_code)
            except Exception as error:
                return f"{type(error).__name__}: {error}"[:200]
            finally:
                transaction.set_rollback(True)

    return ask


def faults(found: dict[str, str]) -> str:
    return "\n".join(f"{what}: {answer}" for what, answer in found.items() if answer[0] not in "1234")


def values_of(world: World, group: str) -> dict[str, str]:
    return {"admin": world.admin_ids, "site": world.site_ids}.get(group, lambda: world.ids)()


@pytest.mark.parametrize("group", ["pages", "site", "admin"])
def test_in_the_query_of_any_page(world, ask, group):
    values, found = values_of(world, group), {}
    for address, row in GROUPS[group].items():
        if "GET" not in row:
            continue
        url = fill(address, values)
        for value in VALUES:
            query = urlencode(dict.fromkeys(PARAMETERS, value))
            found[f"{address} {value[:20]}"] = ask(ASKING[group], "GET", f"{url}?{query}")
    if group == "admin":  # a list of theirs stops at the first parameter that it does not know
        lists = [address for address in GROUPS["admin"] if address.count("/") == 3]
        for address, name, value in ((a, n, v) for a in lists for n in PARAMETERS for v in VALUES[:8]):
            url = f"{fill(address, values)}?{urlencode({name: value})}"
            found[f"{address} {name} {value[:20]}"] = ask(ASKING[group], "GET", url)
    assert not faults(found)


def test_in_any_parameter_of_the_api(world, ask):
    found = {}
    for path, operations in described()["paths"].items():
        for each in operations.get("get", {}).get("parameters", ()):
            if each["in"] != "query":
                continue
            url = f"{_api(world, path)}?"
            for value in (*VALUES, *map(_cursor, VALUES)):
                found[f"{path} {each['name']} {value[:20]}"] = ask(
                    FULL_KEY, "GET", url + urlencode({each["name"]: value})
                )
    assert len(found) > 500
    assert not faults(found)


def test_in_any_field_of_its_bodies(world, ask):
    found = {}
    for path, method, schema in _bodies():
        for name in schema["properties"]:
            for value in JSON_VALUES:
                how = {"data": f'{{"{name}": {value}}}', "content_type": "application/json"}
                found[f"{method} {path} {name} {value[:20]}"] = ask(
                    FULL_KEY, method, _api(world, path), **how
                )
    assert len(found) > 100
    assert not faults(found)


def test_in_any_field_of_any_form(world, ask):
    found = {}
    for address, row in GROUPS["pages"].items():
        if "POST" not in row:
            continue
        names = [*bodies.of("POST", address).get("data", {}), "per_minute", "per_month", "days", "page"]
        for value in VALUES:
            how = {"data": dict.fromkeys(names, value)}
            found[f"{address} {value[:20]}"] = ask(OWNER, "POST", fill(address, world.ids), **how)
    assert not faults(found)


@pytest.mark.parametrize("group", ["pages", "api"])
def test_in_the_path(world, ask, group):
    found = {}
    for address, row in GROUPS[group].items():
        if not IDS & set(routes()[address].takes):
            continue
        for number in ("9" * 5000, "9" * 4000, str(2**63), str(2**63 - 1), "0"):
            numbers = {**world.ids, "members": number, "domains": number, "deliveries": number}
            for method in row:
                found[f"{method} {address} {number[:20]}"] = ask(
                    ASKING[group], method, fill(address, numbers), **bodies.of(method, address)
                )
    assert not faults(found)


@pytest.mark.parametrize("group", ["pages", "api", "site"])
def test_in_any_header(world, ask, group):
    values, found = values_of(world, group), {}
    for address, row in GROUPS[group].items():
        for method in {"GET", "POST"} & set(row):
            for value in (value for value in VALUES if value.isascii() and value.isprintable()):
                how = {**bodies.of(method, address), "headers": dict.fromkeys(HEADERS, value)}
                found[f"{method} {address} {value[:20]}"] = ask(
                    ASKING[group], method, fill(address, values), **how
                )
    assert not faults(found)


def _cursor(value: str) -> str:
    return b64encode(urlencode({"p": value, "o": value}).encode()).decode()


def _api(world: World, path: str) -> str:
    """The address that the description writes with ``{id}`` and its like."""
    return VARIABLE.sub(lambda match: of(world.ids, path, match[1]), path)


def _bodies() -> Iterator[tuple[str, str, dict[str, Any]]]:
    schemas = described()["components"]["schemas"]
    for path, operations in described()["paths"].items():
        for method, operation in operations.items():
            found = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if found:
                yield path, method.upper(), schemas[found["schema"]["$ref"].rpartition("/")[2]]
