"""Pages that belong to the site as a whole."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import home_organisation


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Work for members; for everybody else, what this is."""
    organisation = home_organisation(request.user) if request.user.is_authenticated else None
    if organisation:
        return redirect("check", organisation.slug)
    return render(request, "landing.html")


@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 when this process answers and reaches its database, else 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return JsonResponse({"status": "unavailable", "database": "unreachable"}, status=503)
    return JsonResponse({"status": "ok"})
