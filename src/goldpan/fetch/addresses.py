"""Which addresses belong to the public internet, so that a list of URLs cannot reach into a private network.

Source: the IANA registries of special-purpose IPv4 and IPv6 addresses (RFC 6890), and RFC 4291 for what IPv6 has given
out. The table is ours because `ipaddress.is_global` answers differently from one Python to the next.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_NOT_PUBLIC = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by the customers of a carrier
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # looks public, is the host below every Azure machine
        "169.254.0.0/16",  # link-local, with the metadata services of clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4, withdrawn
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # all that IPv6 has given out; private, local and multicast lie outside
_NOT_PUBLIC_6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)
# IPv6 addresses that stand for an IPv4 one: the network and how many bits lie below the 32 of IPv4. NAT64 of local use
# (64:ff9b:1::/48) is not among them: where its 32 bits lie is the network's own choice, so it is refused whole.
_CARRIERS = (
    (IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (IPv6Network("2002::/16"), 80),  # 6to4
)


_KEYS_OF_CLOUDS = tuple(
    ip_network(network)
    for network in (
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure
        "169.254.0.0/16",  # link-local: most of them
        "192.0.0.192/32",  # Oracle
        "fd00:ec2::/32",  # Amazon
        "fe80::/10",  # link-local
    )
)
_Address = str | IPv4Address | IPv6Address


@lru_cache(maxsize=65536)
def is_public(address: _Address) -> bool:
    """Return whether an address is one of the public internet's: globally routable and of a single machine.

    An IPv6 address that stands for an IPv4 one (mapped, NAT64, 6to4) is as public as that one. What is no address, or
    names a network interface (`fe80::1%eth0`), is not public.
    """
    ip = _meant(address)
    if ip is None:
        return False
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC)
    return ip in _GLOBAL_UNICAST and not any(ip in network for network in _NOT_PUBLIC_6)


@lru_cache(maxsize=65536)
def may_reach(address: _Address, allow_private: bool) -> bool:
    """Return whether an address may be connected to: a public one, and a private one where that is allowed.

    Never one at which a cloud hands a machine its keys: whoever allows a mirror in the lab does not mean those.
    """
    if not allow_private:
        return is_public(address)
    ip = _meant(address)
    return ip is not None and not any(ip in network for network in _KEYS_OF_CLOUDS)


def _meant(address: _Address) -> IPv4Address | IPv6Address | None:
    """Return the address, or the IPv4 one that it stands for; None for what is none, or of one interface only."""
    try:
        ip = ip_address(address)
    except ValueError:
        return None
    if isinstance(ip, IPv4Address):
        return ip
    for network, below in _CARRIERS:
        if ip in network:
            return IPv4Address(int(ip) >> below & 0xFFFFFFFF)
    return None if ip.scope_id is not None else ip
