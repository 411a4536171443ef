"""Which hosts and network addresses this site may ask: addresses of the public Internet alone.

A member names an address and our server asks it. Without these rules the member could read what only
our server reaches: the database beside it, the cloud's metadata service, a printer (SSRF; OWASP's
"Server-Side Request Forgery Prevention"). The ranges are IANA's special-purpose registries.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, quote, urlsplit

import idna

from detection.remote_errors import RemoteRefused

DEFAULT_PORTS = {"http": 80, "https": 443}
LONGEST = 8192  # characters of an address; signed links take some 2,000
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
A_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

IPAddress = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def _networks(*blocks: str) -> tuple[Network, ...]:
    return tuple(ip_network(block) for block in blocks)


# Of these no program is ever asked, not even where REMOTE_ALLOW_PRIVATE lets in a private network.
NEVER = _networks(
    "0.0.0.0/8",  # this host
    "169.254.0.0/16",  # link-local, with the metadata services of most clouds
    "168.63.129.16/32",  # Azure's, which looks like a public address
    "100.100.100.200/32",  # Alibaba Cloud's
    "192.0.0.192/32",  # Oracle Cloud's
    "fd00:ec2::/32",  # Amazon's
    "fd20:ce::254/128",  # Google's
    "fd00:c1::a9fe:a9fe/128",  # Oracle Cloud's once more
    "fd00:42::42/128",  # Scaleway's
    "fd00:a9fe:a9fe::1/128",  # Linode's
    "fd00:100::100:200/128",  # Alibaba Cloud's once more
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and broadcast
    "::/128",  # this host
    "::/96",  # IPv4-compatible; ::1 is let back in below
    "::ffff:0:0/96",  # IPv4-mapped
    "::ffff:0:0:0/96",  # IPv4-translated (SIIT)
    "64:ff9b::/96",  # NAT64
    "64:ff9b:1::/48",  # NAT64 of one network
    "2001::/32",  # Teredo
    "2002::/16",  # 6to4
    "fe80::/10",  # link-local
    "fec0::/10",  # site-local, as it once was
    "ff00::/8",  # multicast
)
LOOPBACK_6 = IPv6Address("::1")
# What ``is_global`` of some Python version lets through, beside those above.
NOT_PUBLIC = _networks(
    "10.0.0.0/8",
    "100.64.0.0/10",  # carrier-grade NAT
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",  # AS112
    "192.52.193.0/24",  # AMT
    "192.88.99.0/24",  # 6to4 relays
    "192.168.0.0/16",
    "192.175.48.0/24",  # AS112
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "::1/128",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2620:4f:8000::/48",  # AS112
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
)
GLOBAL_UNICAST_6 = IPv6Network("2000::/3")
ISATAP = (0x00005EFE, 0x02005EFE)  # the upper half of an interface identifier that holds an IPv4 address


@dataclass(frozen=True)
class Target:
    """An address in its parts. ``host`` is ASCII, as DNS, TLS and the Host header want it."""

    scheme: str
    host: str
    port: int
    path: str  # with the query, ready for the request line

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


def parse(url: str) -> Target:
    """Takes an address apart; asks no name server.

    Raises:
        RemoteRefused: bad_url, bad_scheme or credentials.
    """
    parts = _split(url)
    if parts.scheme not in DEFAULT_PORTS:
        raise RemoteRefused("bad_scheme", "Only addresses that begin with http:// or https:// can be used.")
    if "@" in parts.netloc:
        raise RemoteRefused("credentials", "Leave the user name and password out of the address.")
    try:
        port = parts.port
    except ValueError:
        raise RemoteRefused("bad_url", "The port in this address is not a number up to 65535.") from None
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/?%:@!$&'()*+,;=~-._[]|")
    host = _host(parts.hostname or "")
    port = DEFAULT_PORTS[parts.scheme] if port is None else port
    return Target(parts.scheme, host, port, f"{path}?{query}" if query else path)


def is_public(address: IPAddress) -> bool:
    """Whether the address belongs to the public Internet, and to one machine there."""
    if _is_never(address) or any(address in each for each in NOT_PUBLIC if each.version == address.version):
        return False
    if isinstance(address, IPv6Address) and address not in GLOBAL_UNICAST_6:
        return False
    return address.is_global and not address.is_multicast


def is_public_or_private(address: IPAddress) -> bool:
    """What REMOTE_ALLOW_PRIVATE lets in: one's own machine and networks as well."""
    return not _is_never(address)


def _is_never(address: IPAddress) -> bool:
    if address == LOOPBACK_6:
        return False
    if isinstance(address, IPv6Address) and (address.scope_id or (int(address) >> 32) & 0xFFFFFFFF in ISATAP):
        return True
    return any(address in each for each in NEVER if each.version == address.version)


def _split(url: str) -> SplitResult:
    """Strict, for what programs read differently is how a check and a request come to differ."""
    if len(url) > LONGEST:
        raise RemoteRefused("bad_url", f"This address is longer than {LONGEST} characters.")
    if any(each <= " " or each == "\\" or "\x7f" <= each <= "\xa0" for each in url):
        raise RemoteRefused("bad_url", "An address has no spaces, line breaks or backslashes in it.")
    try:
        return urlsplit(url)
    except ValueError:
        raise RemoteRefused("bad_url", "This is not an address. Copy it once more.") from None


def _host(name: str) -> str:
    if ":" in name:
        return _ipv6(name)
    host = _ascii(name).removesuffix(".")
    labels = host.split(".")
    if len(host) > 253 or not all(LABEL.fullmatch(label) for label in labels):
        raise RemoteRefused("bad_url", "The name of the server in this address is not a valid one.")
    if A_NUMBER.fullmatch(labels[-1]):
        return _ipv4(host)
    return host


def _ascii(name: str) -> str:
    """IDNA 2008, with what browsers map before it: capitals, wide digits, other full stops."""
    try:
        return name.lower() if name.isascii() else idna.encode(name, uts46=True).decode()
    except idna.IDNAError:
        raise RemoteRefused("bad_url", "The name of the server in this address is not a valid one.") from None


def _ipv4(host: str) -> str:
    """2130706433, 0177.0.0.1 and 127.1 are loopback to some programs and names to others."""
    try:
        return str(IPv4Address(host))
    except ValueError:
        raise RemoteRefused(
            "bad_url", "Write a numeric address as four numbers from 0 to 255, as in 192.0.2.1."
        ) from None


def _ipv6(host: str) -> str:
    try:
        if "%" in host:
            raise ValueError
        return str(ip_address(host))
    except ValueError:
        raise RemoteRefused("bad_url", "The IPv6 address in the brackets is not a valid one.") from None
