"""What people fill in to make or change a webhook."""

from __future__ import annotations

from django import forms

from detection import events
from detection.addresses import LONGEST
from detection.models import Webhook


class WebhookForm(forms.Form):
    url = forms.CharField(
        label="Address",
        max_length=LONGEST,
        help_text="Where your program receives. It begins with https:// and is on the public Internet.",
        error_messages={"required": "Give the address that is to be told."},
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off", "spellcheck": "false"}),
    )
    description = forms.CharField(
        label="What it is for",
        max_length=Webhook._meta.get_field("description").max_length,
        required=False,
        help_text="Optional. So that colleagues know: “Content system”, for example.",
    )
    events = forms.MultipleChoiceField(
        label="What it is told",
        choices=list(events.CHOICES.items()),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one event."},
    )
