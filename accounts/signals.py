"""What happened, for those who come after: the audit log (history) and webhooks (detection).

Sent within the transaction that makes it true, so that a record of it is kept or neither is.
``happened.send(sender=Model, principal=…, event="member.removed", subject=object, details={…})``;
``details`` are JSON and hold no secrets.
"""

from django.dispatch import Signal

happened = Signal()

# ``doors_closed.send(sender=Membership, organisation=…)``: whoever acted in it may have been somebody else.
# Nothing that they set up goes on by itself.
doors_closed = Signal()
