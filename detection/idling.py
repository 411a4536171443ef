"""How long a worker sleeps that has found nothing to do. What comes wakes it; this is for all else.

What is due later is slept towards exactly. Beside that there is a look from time to time, less and less
often, for wake-ups that were lost; a worker that no wake-up can reach looks as often as ever.
"""

from __future__ import annotations

from datetime import datetime

from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.conf import settings
from django.utils import timezone

IDLE_SECONDS = 15.0  # at most, where wake-ups arrive


def hears_others() -> bool:
    """Whether the channel layer carries wake-ups from one process to another."""
    return not isinstance(get_channel_layer(), InMemoryChannelLayer)


class Rest:
    """``hears``: whether whoever makes work can wake this worker."""

    def __init__(self, hears: bool) -> None:
        self.hears = hears
        self._looks = 0

    def over(self) -> None:
        """Something was found, or happened."""
        self._looks = 0

    def seconds(self, poll: float, due: datetime | None) -> float:
        """Until the next look: ``poll`` seconds at first; ``due``: when there will be something, if known.

        What is due by now and was not taken is in others' hands, or has no room: that takes a ``poll``.
        """
        most = max(poll, min(IDLE_SECONDS, settings.LEASE_SECONDS / 3)) if self.hears else poll
        rest = min(most, poll * 2.0 ** min(self._looks, 16))
        self._looks += 1
        if due is None:
            return rest
        left = (due - timezone.now()).total_seconds()
        return min(rest, left if left > 0 else poll)
