"""A position as a trader writes it, such as ``short 20000 SOL @ 221.5, 12x``, read part by part."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backtest.errors import ConfigError
from backtest.scenario.amounts import doubtful
from backtest.scenario.watched import WatchedPosition
from backtest.schema.coins import symbol_name
from backtest.toml import shown

EXAMPLE = '"short 20000 SOL @ 221.5, 12x"'
FORM = f"write {EXAMPLE}: side, size in coins (or USD: $4.4m), coin, @ entry price, leverage (or: collateral $300k)"
MOST = 1e15  # of any number
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d[\d_]*)?(?:\.\d+)?(?:e[+-]?\d{1,2})?"
_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "mn": 1e6, "b": 1e9, "bn": 1e9}
_SIDE = re.compile(r"(long|short)\b", re.IGNORECASE)
_AMOUNT = re.compile(
    rf"(\$)?\s*({_NUMBER})(k|mn|m|bn|b)?(?:\s*(usd[ct]?|dollars?|\$)(?=\s|$|,))?(?![\w.])", re.IGNORECASE
)
_COIN = re.compile(r"(?:of\s+)?([a-z0-9][a-z0-9:/_-]*)", re.IGNORECASE)
_AT = re.compile(r"@|at\b", re.IGNORECASE)
_LEVERAGE = re.compile(rf"({_NUMBER})\s*x\b", re.IGNORECASE)
_COLLATERAL = re.compile(r"(?:with\s+)?(?:collateral|margin)\b\s*[:=]?|with\b", re.IGNORECASE)
_COLLATERAL_AFTER = re.compile(r"\s*(?:of\s+)?(?:collateral|margin)\b", re.IGNORECASE)
_WRITTEN = re.compile(r"\$?\s*(\d[\d.]*(?:,\d+)*)(?![\dx])", re.IGNORECASE)  # with every separator in it
_PARTED = re.compile(r"\$?\s*(\d{1,3}(?:[ '’]\d{3})+)(?!\d)")
_COMMA_X = re.compile(r"(\d+,\d+)\s*x\b", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s,;]*")


@dataclass(slots=True)
class _Text:
    """A text and how far it was read."""

    text: str
    at: int = 0

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Read a pattern that stands next, blanks and commas before it passed over."""
        start = _between(self.text, self.at)
        found = pattern.match(self.text, start)
        if found:
            self.at = found.end()
        return found

    @property
    def rest(self) -> str:
        """Return what was not read."""
        return self.text[_between(self.text, self.at) :]

    def refuse(self, reason: str) -> ConfigError:
        """Return the error that names the text, the reason and the form."""
        return ConfigError(f"position {shown(self.text)}: {reason}; {FORM}")

    def amount(self, noun: str) -> tuple[float, bool]:
        """Read a number above zero and whether it is in dollars."""
        before = self.rest
        if (written := _WRITTEN.match(before)) and (reason := doubtful(written[1])):
            raise ConfigError(f"position {shown(self.text)}: the {noun} {reason}")
        if parted := _PARTED.match(before):
            plain = re.sub(r"\D", "", parted[1])
            raise ConfigError(f"position {shown(self.text)}: the {noun} {parted[1]} is in parts: write {plain}")
        found = self.take(_AMOUNT)
        if found is None or not any(map(str.isdigit, found[2])):
            word = before.split(maxsplit=1)
            raise self.refuse(f"the {noun} is {shown(word[0]) if word else 'missing'}, not a number such as 20k")
        return self.number(found[2], found[3], noun), bool(found[1] or found[4])

    def number(self, digits: str, unit: str, noun: str) -> float:
        """Return the value of digits and a unit: k, m or b."""
        value = float(digits.replace(",", "").replace("_", "")) * _UNITS[(unit or "").lower()]
        if not 0 < value <= MOST:
            raise self.refuse(f"the {noun} is {value:g}; it must be above zero and at most {MOST:g}")
        return value


def _between(text: str, at: int) -> int:
    found = _BETWEEN.match(text, at)
    return found.end() if found else at


def read_position(text: str, *, hedged: bool = False) -> WatchedPosition:
    """Return the position that a text describes, named after it.

    The size is in coins (of an inverse contract, named by its symbol, in contracts) or, with ``$`` or ``usd``, in
    dollars at the entry price. Capitals, blanks and commas between parts do not matter; 20k, 20_000 and 20,000 are
    numbers.

    Raises
    ------
    ConfigError
        Naming the first part that cannot be read, and the form.

    Examples
    --------
    >>> one = read_position("SHORT 20k sol at 221.5 12x")
    >>> one.side, one.size_base, one.coin, one.entry_px, one.leverage, one.name
    ('short', 20000.0, 'SOL', 221.5, 12.0, 'short 20000 SOL')

    4.43 million USD at 221.5 are 20,000 coins; with 443,000 USD behind them the leverage is 10.

    >>> one = read_position("short $4.43m SOL @ 221.5, collateral $443,000")
    >>> one.size_base, one.leverage
    (20000.0, 10.0)
    """
    words = _Text(" ".join(text.split()))
    side = words.take(_SIDE)
    if side is None:
        raise words.refuse("it does not begin with long or short")
    size, in_dollars = words.amount("size")
    coin = words.take(_COIN)
    if coin is None or coin[1].lower() == "at":
        raise words.refuse("the coin is missing")
    if words.take(_AT) is None:
        raise words.refuse(f"no @ with the entry price follows the coin {shown(coin[1])}")
    entry, _ = words.amount("entry price")
    symbol = symbol_name(coin[1])
    base, _, settled = symbol.partition("/")
    if in_dollars and base == settled.partition(":")[2]:
        raise words.refuse(f"{symbol} counts contracts, not dollars")
    size_base = size / entry if in_dollars else size
    leverage = _leverage(words, size_base * entry)
    if words.rest:
        raise words.refuse(f"{shown(words.rest)} at its end has no meaning")
    name = f"{side[1].lower()} {size_base:.12g} {symbol}"
    return WatchedPosition(
        name=name, coin=symbol, side="long" if side[1].lower() == "long" else "short", size_base=size_base,
        entry_px=entry, leverage=leverage, hedged=hedged,
    )  # fmt: skip


def _leverage(words: _Text, notional: float) -> float:
    """Read leverage, or collateral and return the leverage that it makes."""
    if (comma := _COMMA_X.match(words.rest)) and (reason := doubtful(comma[1])):
        raise ConfigError(f"position {shown(words.text)}: the leverage {reason}")
    if found := words.take(_LEVERAGE):
        if not any(map(str.isdigit, found[1])):
            raise words.refuse("the leverage has no number before its x")
        return words.number(found[1], "", "leverage")
    if not words.rest:
        raise words.refuse("leverage or collateral is missing")
    named = words.take(_COLLATERAL)
    collateral, _ = words.amount("leverage or collateral")
    after = words.take(_COLLATERAL_AFTER)
    if named is None and after is None:
        raise words.refuse("the number after the entry price is neither a leverage (12x) nor a collateral")
    return notional / collateral
