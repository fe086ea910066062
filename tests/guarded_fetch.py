"""A `fetch` for URL sources that is safe to point at addresses which strangers wrote.

    from functools import partial
    load_image("https://images.example.org/a.png", fetch=partial(guarded_fetch, hosts={"images.example.org"}))

mmkit itself opens no socket; this is the example to copy. One parser (httpx's) decides and connects; the host must
be on the list; its address is looked up once, must be public, and is the one that is connected to, so that a second
answer of the name server changes nothing; redirects are not followed; bytes and seconds are counted as they come.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Collection

import httpx

from mmkit.errors import FetchFailed, FetchTimeout, SourceNotAllowed, SourceTooLarge

RETRY = (408, 429, 500, 502, 503, 504)


def is_public(address: str) -> bool:
    """Is this the address of a host on the open internet? Not this machine, its network, or a cloud's metadata."""
    return ipaddress.ip_address(address).is_global


def guarded_fetch(
    url: str,
    *,
    hosts: Collection[str],
    max_bytes: int = 32 << 20,
    seconds: float = 20.0,
    tries: int = 2,
    schemes: Collection[str] = ("https",),
    allowed: Callable[[str], bool] = is_public,
) -> bytes:
    """The bytes behind a URL.  hosts: exact names that may be asked.  allowed: says which addresses are public."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise SourceNotAllowed("this is no valid URL", cause=error) from error
    if parsed.scheme not in schemes or parsed.userinfo or "\\" in url or parsed.host not in hosts:
        raise SourceNotAllowed("the scheme or the host of this URL is not on the list")
    port = parsed.port or {"http": 80, "https": 443}[parsed.scheme]
    try:
        found = {info[4][0] for info in socket.getaddrinfo(parsed.host, port, type=socket.SOCK_STREAM)}
    except OSError as error:
        raise FetchFailed("the host has no address", cause=error) from error
    if not found or not all(allowed(address) for address in found):
        raise SourceNotAllowed("the host has an address that is not public")
    pinned = parsed.copy_with(host=min(found))
    deadline = time.monotonic() + seconds
    for left in reversed(range(tries)):
        try:
            return _get(pinned, parsed.host, parsed.netloc.decode(), max_bytes, deadline)
        except FetchFailed as error:
            if not left or isinstance(error, FetchTimeout) or error.status not in RETRY:
                raise
    raise AssertionError("unreachable")


def _get(url: httpx.URL, host: str, netloc: str, max_bytes: int, deadline: float) -> bytes:
    headers = {"Host": netloc, "Accept-Encoding": "identity"}  # no compression: no bomb
    body = b""
    try:
        with (
            httpx.Client(follow_redirects=False, trust_env=False, timeout=5.0) as client,
            client.stream("GET", url, headers=headers, extensions={"sni_hostname": host}) as response,
        ):
            if response.status_code != 200:
                error = FetchFailed(f"the host answered with status {response.status_code}")
                error.status = response.status_code
                raise error
            for part in response.iter_raw():
                body += part
                if len(body) > max_bytes:
                    raise SourceTooLarge(f"more than {max_bytes:,} bytes")
                if time.monotonic() > deadline:
                    raise FetchTimeout("the host is too slow")
    except httpx.TimeoutException as error:
        raise FetchTimeout("the host is too slow", cause=error) from error
    except httpx.HTTPError as error:
        failed = FetchFailed(f"the connection failed ({type(error).__name__})", cause=error)
        failed.status = None
        raise failed from error
    return body
