"""One style for every date on a page: how long ago in words, the exact time for who points at it."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

# Largest first, in seconds. static/js/dates.js counts alike, so that words do not jump when it takes over.
UNITS = (("year", 365 * 86400), ("month", 30 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60))


@register.simple_tag
def when(at: datetime | str | None, slot: str = "") -> SafeString:
    """A ``<time>`` for a date, or for its ISO 8601 text; an empty one for None, for a script to fill.

    ``slot`` is the field of the live state that holds the date (static/js/slots.js).
    """
    live = format_html(' data-time="{}"', slot) if slot else SafeString("")
    if not at:
        return format_html('<time class="when"{}></time>', live)
    at = datetime.fromisoformat(at) if isinstance(at, str) else at
    return format_html(
        '<time class="when"{} datetime="{}" title="{}">{}</time>',
        live,
        at.isoformat(),
        exact(at),
        relative(at),
    )


@register.filter
def exact(at: datetime) -> str:
    """To the second, in the organisation's time zone, which ``for_members`` sets."""
    local = timezone.localtime(at)
    return f"{local.day} {local:%B %Y, %H:%M:%S %Z}"


def relative(at: datetime) -> str:
    """``just now``, ``3 hours ago``, ``in 2 days``."""
    seconds = (timezone.now() - at).total_seconds()
    for unit, length in UNITS:
        if abs(seconds) >= length:
            count = int(abs(seconds) // length)
            words = f"{count} {unit}{'s' if count > 1 else ''}"
            return f"{words} ago" if seconds > 0 else f"in {words}"
    return "just now" if seconds >= 0 else "in a moment"
