"""Secrets never leave the program: one function masks them in every output, message, log line and stored manifest.

Two kinds are masked: what looks like a secret wherever it stands (a password in an address, a token in its query, a
bearer's token), and the very words of a user's settings (``keep_secret``): values of headers, passwords, tokens.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

MASK = "***"
SHORTEST = 6  # characters of a word masked wherever it stands; a shorter one is masked in its address only
USERINFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^\s/?#'\"]*@")
SECRET_KEY = r"[\w.%-]*(?:key|token|secret|sign|sig|pass|passwd|password|pwd|auth|credential|session)[\w.%-]*"
QUERY = re.compile(rf"(?P<key>[?&;]{SECRET_KEY}=)[^&\s#'\"]+", re.IGNORECASE)
CREDENTIALS = re.compile(
    r"\b(?P<scheme>Bearer(?=\s)|(?:Basic|Token|Digest)(?=\s+[\w.~+/-]*[\d=]))\s+(?!\*\*\*)[\w.~+/=-]{4,}", re.IGNORECASE
)
PLAIN_HEADERS = {"accept", "accept-encoding", "accept-language", "content-type", "user-agent", "connection", "origin"}
_WORDS: set[str] = set()


def mask(text: str) -> str:
    """Return a text with every secret in it replaced by three stars.

    Examples
    --------
    >>> mask("https://me:hunter2@mirror.example/x?token=abc&day=1 refuses")
    'https://***@mirror.example/x?token=***&day=1 refuses'
    >>> mask("Authorization: Bearer abcdef")
    'Authorization: Bearer ***'
    >>> mask("nothing to hide at 21:00, user@example")
    'nothing to hide at 21:00, user@example'
    """
    for word in sorted(_WORDS, key=len, reverse=True):
        text = text.replace(word, MASK)
    if "@" in text:
        text = USERINFO.sub(rf"\g<scheme>{MASK}@", text)
    if "=" in text:
        text = QUERY.sub(rf"\g<key>{MASK}", text)
    return CREDENTIALS.sub(rf"\g<scheme> {MASK}", text)


def keep_secret(words: Iterable[str]) -> None:
    """Mask these words from now on wherever they stand, also as an address or a header would spell them."""
    for word in words:
        for form in (word, quote(word, safe=""), quote(word), unquote(word)):
            if len(form) >= SHORTEST:
                _WORDS.add(form)


def secrets_kept() -> frozenset[str]:
    """Return the words masked wherever they stand."""
    return frozenset(_WORDS)


def forget_secrets() -> None:
    """Mask no word any more but what looks like a secret."""
    _WORDS.clear()


def secrets_of(settings: Mapping[str, Any], *, header: bool = False) -> Iterator[str]:
    """Give the secrets in a table of settings: values of headers, passwords and tokens of addresses.

    Examples
    --------
    >>> sorted(secrets_of({"headers": {"X-Key": "k-123"}, "httpProxy": "http://me:pa55@proxy.example:1"}))
    ['bWU6cGE1NQ==', 'k-123', 'me:pa55', 'pa55']
    """
    for name, value in settings.items():
        secret = (header and name.lower() not in PLAIN_HEADERS) or bool(re.fullmatch(SECRET_KEY, name, re.IGNORECASE))
        if isinstance(value, Mapping):
            yield from secrets_of(value, header=header or name.lower() == "headers")
        for text in value if isinstance(value, list) else (value,):
            if isinstance(text, str):
                yield from _secrets_of_text(text, secret=secret or name.lower() == "headers")


def _secrets_of_text(text: str, *, secret: bool) -> Iterator[str]:
    if secret and text:
        yield text
        yield from (word for word in text.split() if len(word) > len("Bearer"))
    yield from secrets_of_address(text)


def secrets_of_address(text: str) -> Iterator[str]:
    """Give the password of an address, as it stands and as a header carries it, and the values of its secret keys."""
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets that are no address
        return
    if not parts.scheme or not parts.netloc:
        return
    userinfo = parts.netloc.rpartition("@")[0]
    if userinfo:
        yield userinfo
        yield base64.b64encode(unquote(userinfo).encode()).decode()
        yield userinfo.partition(":")[2]
    yield from (value for key, value in parse_qsl(parts.query) if re.fullmatch(SECRET_KEY, key, re.IGNORECASE))
