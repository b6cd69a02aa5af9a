"""Redirects stay with their host: no header leaves for another one, and no row comes from there."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

MOST_REDIRECTS = 3
REDIRECTS = {301, 302, 303, 307, 308}


class RedirectedError(Exception):
    """A server sends the request elsewhere."""


def same_place(url: str, other: str) -> bool:
    """Return whether a redirect stays with its host; going over to TLS is allowed, away from it is not.

    Examples
    --------
    >>> same_place("http://a.example/x", "https://a.example/y"), same_place("https://a.example/x", "http://a.example/x")
    (True, False)
    >>> same_place("https://a.example/x", "https://a.example.evil/x"), same_place("http://a:1/x", "http://a:2/x")
    (False, False)
    """
    ports = {"http": 80, "https": 443}
    try:
        mine, theirs = urlsplit(url), urlsplit(other)
        here = (mine.scheme, mine.hostname, mine.port or ports.get(mine.scheme))
        there = (theirs.scheme, theirs.hostname, theirs.port or ports.get(theirs.scheme))
    except ValueError:  # a port that is none
        return False
    return here == there or (here[1] == there[1] and here[::2] == ("http", 80) and there[::2] == ("https", 443))


def followed(url: str, location: str | None, hops: int) -> str:
    """Return the address of a redirect.

    Raises
    ------
    RedirectedError
        It names none, leads to another host, or is one of too many.
    """
    target = urljoin(url, location or "")
    if not location or hops >= MOST_REDIRECTS:
        raise RedirectedError("redirects without end" if location else "redirects to nowhere")
    if not same_place(url, target):
        host = urlsplit(target).hostname or "an address that is none"
        raise RedirectedError(f"redirects to another host, {ascii(host)[1:-1][:60]}, which is not followed")
    return target
