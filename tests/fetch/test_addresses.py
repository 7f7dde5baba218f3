"""Only the public internet is public, however an address is written."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from goldpan.fetch.addresses import is_public, may_reach

PUBLIC = [
    "8.8.8.8", "1.1.1.1", "93.184.216.34", "172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0",
    "223.255.255.255", "198.17.255.255", "192.0.1.0", "2606:4700:4700::1111", "2a00:1450::1", "2001:4860:4860::8888",
    "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
]  # fmt: skip
PRIVATE = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.255", "168.63.129.16",
    "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1",
    "192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255",
    "::", "::1", "100::1", "2001:db8::1", "3fff::1", "2001::1", "2001:2::1", "2001:10::1", "2001:20::1", "4000::1",
    "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "2606:4700:4700::1111%eth0", "fec0::1", "ff02::1", "5f00::1",
    "::127.0.0.1", "::8.8.8.8", "64:ff9b:1::8.8.8.8", "64:ff9b:1:a00:0:100::",
]  # fmt: skip
INSIDE = ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "100.64.0.1", "0.0.0.0", "255.255.255.255"]


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(address)
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", [*PRIVATE, "", "localhost", "8.8.8", "08.8.8.8", "8.8.8.8 ", "[::1]"])
def test_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("inside", INSIDE)
def test_an_address_within_another(inside: str) -> None:
    four = int(IPv4Address(inside))
    carriers = {
        "mapped": 0xFFFF << 32 | four,
        "compatible": four,
        "NAT64": 0x64FF9B << 96 | four,
        "NAT64 of local use": 0x64FF9B0001 << 80 | four,
        "6to4": 0x2002 << 112 | four << 80,
        "Teredo": 0x20010000 << 96 | 0x08080808 << 64 | four ^ 0xFFFFFFFF,
    }
    assert {name: str(IPv6Address(number)) for name, number in carriers.items() if is_public(IPv6Address(number))} == {}


@pytest.mark.parametrize("address", ["8.8.8.8", "127.0.0.1", "10.0.0.1", "::1", "fd12::1", "::ffff:192.168.0.1"])
def test_private_where_that_is_allowed(address: str) -> None:
    assert may_reach(address, True)
    assert may_reach(address, False) == is_public(address)


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "fd00:ec2::254", "fe80::1",
     "100.100.100.200", "168.63.129.16", "192.0.0.192", "fe80::1%eth0", "nowhere"],
)  # fmt: skip
def test_never(address: str) -> None:
    assert not may_reach(address, True)
    assert not may_reach(address, False)
