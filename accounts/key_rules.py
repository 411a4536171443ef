"""What the fields of an API key may be: a form and JSON from anywhere get the same sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.access import PERMISSIONS, SCOPES
from accounts.models import ApiKey

LONGEST_NAME = ApiKey._meta.get_field("name").max_length or 0
MOST_ADDRESSES = 50
MOST_A_MINUTE = 10_000  # requests
MOST_A_MONTH = 100_000_000  # images
LONGEST_OVERLAP_HOURS = 7 * 24


def checked(**fields: Any) -> dict[str, Any]:
    """The fields of ``ApiKey`` that are given, as they are stored.

    Raises:
        ValidationError: a sentence for each field that cannot be so, or that there is not.
    """
    values, errors = {}, {}
    for name, value in fields.items():
        try:
            values[name] = _RULES[name](value) if name in _RULES else _none_such(value)
        except ValidationError as error:
            errors[name] = error.messages
    if errors:
        raise ValidationError(errors)
    return values


def within(addresses: Sequence[str], bounds: Sequence[str]) -> bool:
    """Whether a key of these networks (none: everywhere) could be used only where one of ``bounds`` could."""
    if not bounds:
        return True
    allowed = [ip_network(each) for each in bounds]
    return bool(addresses) and all(_inside(ip_network(each), allowed) for each in addresses)


def overlap(hours: Any) -> int:
    """Hours for which the old value goes on working beside the new one."""
    return _whole(hours, "overlap_hours", 0, LONGEST_OVERLAP_HOURS, "hours")


def expiry(moment: Any) -> datetime | None:
    """When a value ends; None: never."""
    if moment is None:
        return None
    if not isinstance(moment, datetime) or timezone.is_naive(moment):
        raise ValidationError({"expires_at": "Give a date and a time with its time zone, or nothing."})
    if moment <= timezone.now():
        raise ValidationError({"expires_at": "Choose a moment that is still to come."})
    return moment


def _name(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        raise ValidationError("Give the key a name: that of the program that will use it.")
    if len(text) > LONGEST_NAME:
        raise ValidationError(f"A name has at most {LONGEST_NAME} characters. Shorten it.")
    if not text.isprintable():
        raise ValidationError("The name has characters that cannot be shown. Type it anew.")
    return text


def _scopes(value: Any) -> list[str]:
    texts = _texts(value, "Name what the key may do, as a list.")
    if not texts:
        raise ValidationError("Choose at least one thing that the key may do.")
    if unknown := [each for each in texts if each not in SCOPES]:
        raise ValidationError([f"“{each[:40]}” is nothing that a key may be given." for each in unknown[:5]])
    return [each for each in PERMISSIONS if each in texts]


def _addresses(value: Any) -> list[str]:
    texts = [each.strip() for each in _texts(value, "List the addresses, each as text.")]
    if len(texts) > MOST_ADDRESSES:
        raise ValidationError(f"At most {MOST_ADDRESSES} addresses. Join them to larger networks.")
    return list(dict.fromkeys(str(_network(text)) for text in texts if text))


def _network(text: str) -> IPv4Network | IPv6Network:
    if "%" in text or len(text) > 60:
        raise ValidationError(_not_a_network(text))
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValidationError(_not_a_network(text)) from None
    if str(network.network_address) != str(ip_network(text.partition("/")[0]).network_address):
        # Not made larger in silence: who types one machine with a mask may have meant that machine.
        raise ValidationError(f"“{text}” is one machine, with a mask. For its whole network write {network}.")
    return _plain(network)


def _inside(network: IPv4Network | IPv6Network, allowed: Sequence[IPv4Network | IPv6Network]) -> bool:
    same = (each for each in allowed if each.version == network.version)
    return any(network.subnet_of(each) for each in same)  # type: ignore[arg-type]  # of one version


def _plain(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """IPv4 in the clothes of IPv6 is IPv4: so are the clients' addresses."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is None or network.prefixlen < 96:
        return network
    return IPv4Network((mapped, network.prefixlen - 96))


def _not_a_network(text: str) -> str:
    return f"“{text[:60]}” is no address. Write it as 192.0.2.7, or a network as 192.0.2.0/24."


def _per_minute(value: Any) -> int:
    return _whole(value, None, 1, MOST_A_MINUTE, "requests a minute")


def _per_month(value: Any) -> int | None:
    return None if value is None else _whole(value, None, 1, MOST_A_MONTH, "images a month")


def _whole(value: Any, field: str | None, least: int, most: int, what: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    sentence = f"Give a whole number from {least} to {most:,} ({what})."
    raise ValidationError({field: sentence} if field else sentence)


def _texts(value: Any, sentence: str) -> Sequence[str]:
    if isinstance(value, str) or not isinstance(value, list | tuple | set | frozenset):
        raise ValidationError(sentence)
    if not all(isinstance(each, str) for each in value):
        raise ValidationError(sentence)
    return list(value)


def _none_such(_value: Any) -> Any:
    raise ValidationError("A key has no such field.")


_RULES: dict[str, Callable[[Any], Any]] = {
    "name": _name,
    "scopes": _scopes,
    "addresses": _addresses,
    "per_minute": _per_minute,
    "per_month": _per_month,
}
