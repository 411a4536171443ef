"""The one list of the API's errors, by kind.

A type's URI, ``/api/problems/<slug>/``, is stable and answers with an explanation. Programs decide by
``type`` (and ``code``, where there is one); sentences are for people and may change.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from mlcore.errors import IMAGE_CODES


@dataclass(frozen=True)
class ProblemType:
    """One kind of error: what it is called, with which status it comes, and what to do about it."""

    slug: str
    status: int
    title: str
    remedy: str

    @property
    def uri(self) -> str:
        return reverse("api_problem", args=[self.slug])


TYPES: dict[str, ProblemType] = {
    each.slug: each
    for each in (
        ProblemType(
            "bad-request", 400, "The request cannot be read",
            "Send what Content-Type says: JSON in UTF-8, or a multipart form.",
        ),
        ProblemType(
            "invalid-parameter", 400, "A parameter or header is wrong",
            "Correct what “errors” names, or leave it out.",
        ),
        ProblemType(
            "unauthenticated", 401, "No valid API key",
            "Send “Authorization: Bearer cfk_…” with a key that is in force.",
        ),
        ProblemType(
            "forbidden", 403, "The key does not allow this",
            "Ask an administrator of the organisation for a key with the scope, or network, that this takes.",
        ),
        ProblemType(
            "not-found", 404, "There is nothing here",
            "Check the address, its last slash included. What other organisations have, or was deleted, "
            "is not there for you.",
        ),
        ProblemType(
            "method-not-allowed", 405, "This address does not know the method",
            "Use one of the methods that the Allow header names.",
        ),
        ProblemType(
            "not-acceptable", 406, "No such format",
            "Accept application/json, or leave the Accept header out.",
        ),
        ProblemType(
            "too-slow", 408, "The request took too long to arrive",
            "Send it again, with the same Idempotency-Key, over a better connection.",
        ),
        ProblemType(
            "conflict", 409, "This does not go with the present state",
            "Read the resource again, then decide.",
        ),
        ProblemType(
            "idempotency-in-progress", 409, "A request with this Idempotency-Key is being worked on",
            "Send the same request again after the seconds that Retry-After names.",
        ),
        ProblemType(
            "too-large", 413, "Too much at once",
            "Send fewer bytes. Many images go in as a batch.",
        ),
        ProblemType(
            "unsupported-media-type", 415, "This Content-Type is not taken",
            "Send application/json or multipart/form-data, as the documentation of the address says.",
        ),
        ProblemType(
            "invalid", 422, "Some fields are wrong",
            "Correct the fields that “errors” names, then send it again.",
        ),
        ProblemType(
            "image-refused", 422, "This file cannot be examined",
            "“code” says for which reason, “detail” the way out. The same file will be refused again.",
        ),
        ProblemType(
            "address-refused", 422, "This address is not fetched from",
            "Give a public http or https address of an image, or send the file itself.",
        ),
        ProblemType(
            "address-failed", 422, "The address gave no image",
            "See whether the address works, then try again, or send the file itself.",
        ),
        ProblemType(
            "idempotency-key-reused", 422, "This Idempotency-Key belongs to another request",
            "Use a new key for each new request, and the same one only to repeat the same request.",
        ),
        ProblemType(
            "no-such-model", 422, "There is no such model here",
            "Name one of those that GET /api/v1/models/ lists, or leave “model” out for the active one.",
        ),
        ProblemType(
            "rate-limited", 429, "Too many requests",
            "Wait for the seconds that Retry-After names. The RateLimit headers tell how much is left.",
        ),
        ProblemType(
            "quota-exceeded", 429, "This month's images are used up",
            "Wait for the next month, or ask an administrator of the organisation for a higher quota.",
        ),
        ProblemType(
            "internal-error", 500, "Something went wrong here",
            "It is in the server's log. Try again; if it stays, tell who runs the site, with the time.",
        ),
        ProblemType(
            "unavailable", 503, "The service cannot answer just now",
            "Try again after the seconds that Retry-After names, with the same Idempotency-Key.",
        ),
        ProblemType(
            "storage-full", 507, "The organisation's storage is full",
            "Delete images and empty the trash, or ask who runs the site for more room. Until then the same "
            "is refused.",
        ),
    )
}  # fmt: skip


def documentation() -> str:
    """``docs/api-problems.md``: a test holds the file to it."""
    rows = "\n".join(
        f"| `{each.slug}` | {each.status} | {each.title} | {each.remedy} |" for each in TYPES.values()
    )
    codes = "\n".join(f"| `{code}` | {what} |" for code, what in IMAGE_CODES.items())
    return DOCUMENT.format(rows=rows, codes=codes)


DOCUMENT = """\
# Errors of the API

Every error under `/api/` is a problem of [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457), sent as
`application/problem+json`:

| member | what |
| --- | --- |
| `type` | which kind of error, as an address under `/api/problems/`; stable: decide by it |
| `title` | the kind in words |
| `status` | the HTTP status once more |
| `detail` | what is wrong this time, for people |
| `remedy` | what to do about this kind of error |
| `errors` | what is wrong where: each with `detail` and `field` (a JSON pointer), `parameter` or `header` |
| `code` | a finer reason, for `image-refused`, `address-refused` and `address-failed` |

| type `/api/problems/…/` | status | title | what to do |
| --- | --- | --- | --- |
{rows}

The `code` of `image-refused` for an image (a zip of a batch has its own, of which `detail` says what to do):

| code | what is wrong with the file |
| --- | --- |
{codes}

A harmless oddity, such as a wrong checksum in a side note or a missing mark at the end, refuses nothing: the
image is examined, and `facts.notes` says what was found.

Made from `cifake_site/problem_types.py` by `manage.py shell -c "from cifake_site import problem_types;
print(problem_types.documentation(), end='')"`.
"""
