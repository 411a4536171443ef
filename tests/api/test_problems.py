"""Errors of the API: each is a problem of a listed type, and tells nothing that it should not."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation, TooManyFieldsSent, ValidationError
from django.db import OperationalError
from django.http import Http404
from django.utils.html import escape
from rest_framework import exceptions, serializers
from rest_framework.test import APIRequestFactory

from accounts.access import READ, WRITE
from accounts.api_base import ApiView, Problem, query
from cifake_site import problem_types, problems
from mlcore.errors import ImageRefused
from tests.api.conftest import Api, bearer, problem

pytestmark = pytest.mark.django_db
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "api-problems.md"

RAISED = [
    (exceptions.NotAuthenticated(), "unauthenticated"),
    (exceptions.ParseError("JSON parse error"), "bad-request"),
    (exceptions.NotFound(), "not-found"),
    (exceptions.NotAcceptable(), "not-acceptable"),
    (exceptions.UnsupportedMediaType("text/plain"), "unsupported-media-type"),
    (exceptions.ValidationError({"name": ["Too long."]}), "invalid"),
    (ValidationError({"name": ["Too long."]}), "invalid"),
    (exceptions.Throttled(7), "rate-limited"),
    (exceptions.PermissionDenied(), "forbidden"),
    (PermissionDenied("No."), "forbidden"),
    (Http404("No."), "not-found"),
    (SuspiciousOperation(), "bad-request"),
    (TooManyFieldsSent(), "bad-request"),
    (ImageRefused("cat.png is too large.", code="too_large"), "image-refused"),
    (OperationalError("database is locked"), "unavailable"),
    (Problem("conflict", "No."), "conflict"),
]


class Field(serializers.Serializer):
    size = serializers.IntegerField(required=False)


class Raising(ApiView):
    permissions = {"GET": READ, "POST": WRITE}
    error: Exception | None = None

    def get(self, request):
        if self.error:
            raise self.error
        return problems.JsonResponse(query(request, Field))

    def post(self, request):
        return problems.JsonResponse({"sent": request.data})


def ask(secret: str, error: Exception | None = None, path: str = "/"):
    request = APIRequestFactory().get(path, headers=bearer(secret))
    return _json(Raising.as_view(error=error)(request))


def post(secret: str, body: str, content_type: str = "application/json"):
    request = APIRequestFactory().post("/", body, content_type=content_type, headers=bearer(secret))
    return _json(Raising.as_view()(request))


def _json(response):
    response.json = lambda: __import__("json").loads(response.content)
    return response


@pytest.mark.parametrize(("error", "slug"), RAISED, ids=lambda each: repr(each)[:40])
def test_every_error_is_a_problem_of_its_type(secret, error, slug):
    assert problem(ask(secret, error), slug)["type"] == problem_types.TYPES[slug].uri


def test_what_nobody_foresaw_tells_nothing(secret, caplog):
    found = problem(ask(secret, ZeroDivisionError("the password is hunter2")), "internal-error")
    assert "hunter2" not in str(found)
    assert "hunter2" in caplog.text  # the log has it all


def test_fields_are_named_by_json_pointers(secret):
    nested = {"a/b": [{"c": ["Wrong."]}, {}], "non_field_errors": ["Too few."], "d": ["No.", "Never."]}
    found = problem(ask(secret, exceptions.ValidationError(nested)), "invalid")
    assert found["errors"] == [
        {"field": "/a~1b/0/c", "detail": "Wrong."},
        {"field": "", "detail": "Too few."},
        {"field": "/d", "detail": "No."},
        {"field": "/d", "detail": "Never."},
    ]


def test_headers_go_with_their_problems(secret):
    assert ask(secret, exceptions.Throttled(6.2))["Retry-After"] == "7"
    assert ask(secret, OperationalError())["Retry-After"] == "2"
    assert ask(secret, Problem("conflict", "No.", headers={"Retry-After": "1"}))["Retry-After"] == "1"
    assert ask("")["WWW-Authenticate"] == "Bearer"


def test_a_key_is_the_only_way_in_and_its_scopes_decide(api_key, member_client):
    assert Raising.as_view()(APIRequestFactory().get("/")).status_code == 401
    request = APIRequestFactory().get("/")
    request.session, request.user = member_client.session, object()
    assert Raising.as_view()(request).status_code == 401
    _, reader = api_key([READ])
    assert ask(reader).status_code == 200
    problem(post(reader, "{}"), "forbidden")


def test_a_view_that_names_no_permission_lets_nobody_in(secret):
    class Forgetful(Raising):
        permissions = {}

    request = APIRequestFactory().get("/", headers=bearer(secret))
    assert Forgetful.as_view()(request).status_code == 500


def test_methods_that_there_are_not(secret):
    response = Raising.as_view()(APIRequestFactory().delete("/", headers=bearer(secret)))
    problem(_json(response), "method-not-allowed")
    assert set(response["Allow"].split(", ")) == {"GET", "HEAD", "POST"}


@pytest.mark.parametrize(
    "body", ["{", "[" * 200_000, '"\ud800"'.encode("utf-8", "surrogatepass"), "NaN", "1" * 9_000]
)
def test_json_that_cannot_be_read(secret, body):
    found = problem(post(secret, body), "bad-request")
    assert "JSON" in found["detail"]


def test_bodies_of_another_type(secret):
    form = post(secret, "a=b", "application/x-www-form-urlencoded")
    assert problem(form, "unsupported-media-type")["status"] == 415
    assert problem(post(secret, "--", "multipart/form-data"), "bad-request")["status"] == 400


@pytest.mark.parametrize("asked", ["?size=large", "?colour=red", "?size=1&size=2"])
def test_parameters_that_make_no_sense(secret, asked):
    found = problem(ask(secret, path=f"/{asked}"), "invalid-parameter")
    assert [set(each) for each in found["errors"]] == [{"parameter", "detail"}]


@pytest.mark.parametrize(
    "path", ["/api/", "/api/v1/nothing/", "/api/v2/detections/", "/api/problems/nothing/"]
)
@pytest.mark.parametrize("method", ["get", "post", "delete", "put"])
def test_unknown_addresses(path, method):
    if "problems" in path and method != "get":
        return
    assert problem(getattr(Api(), method)(path), "not-found")["status"] == 404


def test_a_host_that_is_not_ours(client):
    problem(client.get("/api/v1/detections/", headers={"host": "evil.example"}), "bad-request")
    page = client.get("/", headers={"host": "evil.example"})
    assert (page.status_code, page["Content-Type"]) == (400, "text/html; charset=utf-8")


def test_a_fault_outside_of_a_view(rf):
    problem(_json(problems.server_error(rf.get("/api/v1/detections/"))), "internal-error")
    assert problems.server_error(rf.get("/"))["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("slug", problem_types.TYPES)
def test_every_type_explains_itself(client, slug):
    kind = problem_types.TYPES[slug]
    assert client.get(kind.uri, headers={"accept": "application/json"}).json() == {
        "uri": f"/api/problems/{slug}/", "status": kind.status, "title": kind.title, "remedy": kind.remedy
    }  # fmt: skip
    page = client.get(kind.uri, headers={"accept": "text/html"})
    assert escape(kind.title) in page.content.decode()


def test_the_document_is_the_list():
    assert DOCUMENT.read_text() == problem_types.documentation()
