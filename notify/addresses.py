"""Which addresses the notifier may connect to: public ones, and those that the configuration allows.

A name is resolved here, once for each attempt, and connections are made to the addresses that were looked at:
a name that resolves to something else a moment later changes nothing.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from streamgauge.schemas.errors import StreamgaugeError

Address = IPv4Address | IPv6Address
#: IPv6 addresses that stand for IPv4 ones, in their last four bytes.
_TRANSLATED = IPv6Network("64:ff9b::/96")


class ForbiddenAddressError(StreamgaugeError):
    """A host that resolves to no address that may be used."""


class Allowed:
    """Hosts by name, and addresses and networks, beyond the public ones.

    >>> allowed = Allowed(["10.1.0.0/16", "Mail.internal"])
    >>> [allowed.is_address(ip_address(a)) for a in ("10.1.2.3", "10.2.0.1", "::ffff:127.0.0.1")]
    [True, False, False]
    >>> allowed.is_host("mail.internal."), allowed.is_address(ip_address("8.8.8.8"))
    (True, True)
    """

    def __init__(self, entries: Sequence[str]) -> None:
        self._networks = []
        self._hosts = set()
        for entry in entries:
            try:
                self._networks.append(ip_network(entry))
            except ValueError:
                self._hosts.add(_plain(entry))

    def is_host(self, host: str) -> bool:
        """Whether a host may be reached at whatever address it has."""
        return _plain(host) in self._hosts

    def is_trusted(self, host: str) -> bool:
        """Whether nobody can lead a host elsewhere: it is an address that is allowed, or allowed by name."""
        try:
            return self.is_address(ip_address(host.strip("[]")))
        except ValueError:
            return self.is_host(host)

    def is_address(self, address: Address) -> bool:
        """Whether an address may be connected to."""
        meant = _meant(address)
        if any(address in network or meant in network for network in self._networks):
            return True
        # the standard library calls global what is merely not private
        special = meant.is_multicast or meant.is_reserved or (meant.version == 6 and meant.is_site_local)
        return meant.is_global and not special

    def resolve(self, host: str, port: int) -> list[str]:
        """The addresses to use for a host. Raises `ForbiddenAddressError`, and OSError if it has none."""
        try:
            found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise OSError("this is no host name") from error
        addresses = [str(sockaddr[0]) for *_, sockaddr in found]
        usable = [
            text
            for text in addresses
            if self.is_host(host) or self.is_address(ip_address(text.partition("%")[0]))
        ]
        if not usable:
            raise ForbiddenAddressError(
                f"{host} is {addresses[0]}, which is not a public address; if it is right, add it to `allow`"
            )
        return usable


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED:
        return IPv4Address(address.packed[-4:])
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo or address
