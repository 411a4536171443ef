"""A page for people who come to an address by another method than it knows, as by a bookmark of a form."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from accounts.requests import wants_json

Handler = Callable[[HttpRequest], HttpResponse]


def explain_405(get_response: Handler) -> Handler:
    """Middleware: gives an empty 405 a body, a sentence as JSON for scripts."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code != 405 or response.streaming or response.content:
            return response
        explained = _explained(request)
        explained["Allow"] = response["Allow"]
        return explained

    return answer


def _explained(request: HttpRequest) -> HttpResponse:
    if wants_json(request):
        return JsonResponse({"detail": "This address does not know the method."}, status=405)
    return render(request, "405.html", status=405)
