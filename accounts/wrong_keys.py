"""How many wrong keys one address may send in a minute: guesses, and programs that go on with an old value.

Over the limit nothing is looked up any more. One value that is sent over and over is stopped long before
its address is, so that a forgotten program does not shut out those that share its way to us.
"""

from __future__ import annotations

from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_network

from django.core.cache import cache

from accounts import limits
from accounts.api_problem import Problem

A_MINUTE = 100  # from one address
OF_ONE_A_MINUTE = 10  # the same value from one address
NETWORK_OF_ONE = 64  # bits of an IPv6 address that a provider gives to one customer

Address = IPv4Address | IPv6Address | None


def require_few(address: Address, header: str) -> None:
    """Raises Problem (429) with the seconds to wait, if too many came from the address in this minute."""
    counted = cache.get_many(_most(address, header))
    if any(counted.get(name, 0) >= most for name, most in _most(address, header).items()):
        seconds = limits.seconds_left()
        raise Problem(
            "rate-limited",
            f"Too many requests without a valid key came from your address. Go on in {seconds} seconds, "
            "with a key that is in force.",
            headers={"Retry-After": str(seconds)},
        )


def note(address: Address, header: str) -> None:
    """Counts one that was refused."""
    for name in _most(address, header):
        limits.count(name)


def _most(address: Address, header: str) -> dict[str, int]:
    """Both counters with their limits. By the whole value: another that begins like it is another."""
    place = f"wrong-key:{_place(address)}"
    value = sha256(header.encode("utf-8", "replace")).hexdigest()[:32]
    return {
        limits.of_minute(place): A_MINUTE,
        limits.of_minute(f"{place}:{value}"): OF_ONE_A_MINUTE,
    }


def _place(address: Address) -> str:
    if isinstance(address, IPv6Address):
        return str(ip_network((address, NETWORK_OF_ONE), strict=False).network_address)
    return str(address)
