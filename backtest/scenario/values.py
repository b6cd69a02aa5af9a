"""The scenario: every choice a run depends on, with unit, default and meaning.

``PARAMS`` is the single source for TOML, ``--set``, ``crashbook params`` and the documentation. A field left out
takes the event's default for the venue, then the venue profile's rule, then the default given here.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from backtest.errors import ConfigError, UnknownNameError
from backtest.mechanics.rules import CHOICES
from backtest.scenario.fields import BY_NAME, EVENT, PARAMS, RENAMED_FIELDS, RENAMED_VALUES, RULE, Param
from backtest.toml import Reader, read_toml, shown

POOLS = re.compile(r"\w+(\+\w+)*(\s*,\s*\w+(\+\w+)*)*")
PerCoin = float | Mapping[str, float]
Mix = Mapping[str, tuple[tuple[float, float, float], ...]]


@dataclass(frozen=True, slots=True)
class Watch:
    """A position of mine to follow: it joins the book as an account of its own, cross ones of one name as one."""

    name: str
    coin: str
    side: str
    size_base: float
    entry_px: float
    leverage: float
    hedged: bool = False
    margin_mode: str = "isolated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One run, fully resolved. Fields are those of ``PARAMS``."""

    event: str
    venue: str
    contract: str
    book_of: str | None
    coins: tuple[str, ...]
    start: dt.datetime | None
    end: dt.datetime | None
    seed: int
    intrabar: str
    mark_half_life_s: float
    allow_gaps: bool
    positions: int
    positions_file: str | None
    balance_with_market: bool
    open_interest_usd: PerCoin | None
    leverage_mix: Mix
    size_sigma: float
    size_alpha: float
    size_tail_frac: float
    size_cap_frac: float
    entry_spread_frac: float
    positions_per_account: float
    hedged_frac: float
    cross_frac: float
    liquidity_scale: PerCoin
    liquidity_factor: float
    participation_frac: float
    impact: str
    impact_y: float
    impact_sigma_frac: float
    path: str
    feedback_half_life_s: float
    max_rounds: int
    liquidation_rule: str
    cross_allocation: str
    cross_order: str
    first_share_frac: float
    first_above_usd: float
    first_pause_s: int
    block_s: float
    block_share_frac: float
    block_least_usd: float
    block_most_usd: float
    block_orders: int
    block_deleverages: int
    fillable_adjustment: float
    fillable_spread: float
    fund_pools: str
    fund_start_usd: PerCoin
    fund_floor_usd: float
    fund_shortfall: str
    fund_takeover: str
    fund_inventory_limit_usd: float
    drawdown_trigger: str
    drawdown_trigger_frac: PerCoin
    drawdown_stop_frac: PerCoin
    drawdown_above_usd: float
    drawdown_window_s: int
    inventory_adl: str
    inventory_stop_usd: float
    quiet_s: float
    vault_capital_usd: float
    residual_owner: str
    fee_rate: float
    fee_owner: str
    ranking: str
    losers: str
    close_price: str
    max_candidates: int
    on_exhausted: str
    queue_not_reached: int
    watch: tuple[Watch, ...]

    def with_(self, **changes: Any) -> Scenario:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def plain(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        out: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, dt.datetime):
                value = value.isoformat()
            elif item.name == "watch":
                value = [{f.name: getattr(row, f.name) for f in fields(row)} for row in value]
            out[item.name] = value
        return out

    def canonical(self) -> bytes:
        """Return canonical JSON: sorted keys, one spelling per value; the scenario's part of the run id."""
        import orjson

        return orjson.dumps(self.plain(), option=orjson.OPT_SORT_KEYS)


# what the baseline of the feedback path keeps of a scenario: which world it is and how it is read
KEPT = (
    "event", "venue", "book_of", "coins", "start", "end", "seed", "intrabar", "mark_half_life_s", "allow_gaps",
    "positions", "positions_file", "balance_with_market", "watch", "impact", "impact_y", "impact_sigma_frac",
    "feedback_half_life_s", "max_rounds", "queue_not_reached",
)  # fmt: skip


def baseline_of(scenario: Scenario, untouched: Scenario) -> Scenario:
    """Return the run on the tape that a feedback run is compared with: every choice but those ``KEPT`` at its default.

    What the defaults do not know of a coin, such as the open interest of a further one, stays as it is.

    Parameters
    ----------
    untouched
        The scenario of the event and the venue as nobody changed it.
    """
    values: dict[str, Any] = {"path": "tape"}
    for param in PARAMS:
        own, default = getattr(scenario, param.name), getattr(untouched, param.name)
        if param.name in KEPT or default is None:
            values[param.name] = own
        elif param.kind in {"per_coin", "mix"}:
            values[param.name] = merge({param.name: own}, {param.name: default})[param.name]
    return untouched.with_(**values)


def per_coin(value: PerCoin | None, coin: str, name: str) -> float:
    """Return a coin's own value, or the common one.

    Examples
    --------
    >>> per_coin({"BTC": 0.15, "default": 1.0}, "SOL", "liquidity_scale")
    1.0
    """
    if isinstance(value, int | float):
        return float(value)
    if value is not None:
        found = value.get(coin, value.get("default"))
        if found is not None:
            return float(found)
    raise ConfigError(f"{name} has no value for {coin}; give it with --set {name}.{coin}=NUMBER")


def read_scenario(path: Path) -> dict[str, Any]:
    """Read a scenario file: checked shape, only the keys given."""
    return check_values(read_toml(path), path.name)


def check_values(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Check names, types, choices and bounds of scenario values.

    Raises
    ------
    ConfigError
        Naming the key, what it holds and what is allowed.

    Examples
    --------
    >>> check_values({"seed": 3}, "here")
    {'seed': 3}
    """
    for key in table:
        if key in RENAMED_FIELDS:
            raise ConfigError(f"{where}: field '{key}' is now called '{RENAMED_FIELDS[key]}'")
        if key not in BY_NAME:
            raise ConfigError(f"{where}: {UnknownNameError('key', key, BY_NAME, 'See crashbook params')}")
    reader = Reader(table, where)
    return {key: _check(reader, BY_NAME[key]) for key in table}


_PLAIN: dict[str, type] = {"text": str, "int": int, "float": float, "bool": bool}


def _check(reader: Reader, param: Param) -> Any:
    if param.kind in _PLAIN:
        value: Any = reader.get(param.name, _PLAIN[param.kind])
        if param.name in CHOICES and value not in CHOICES[param.name]:
            if renamed := RENAMED_VALUES.get(param.name, {}).get(value):
                raise ConfigError(f"{reader.where}: {param.name} '{value}' is now called '{renamed}'")
            reader.choice(param.name, tuple(CHOICES[param.name]))
        if param.kind in {"int", "float"}:
            _bound(value, param, reader.where)
        if param.name == "fund_pools" and not POOLS.fullmatch(value):
            wrong = f"{reader.where}: fund_pools = {shown(value)}"
            raise ConfigError(f"{wrong}; write shared, isolated or groups of coins such as BTC+ETH,SOL+XRP")
        if value == "":
            raise ConfigError(f"{reader.where}: {param.name} is empty; give a value or leave it out")
        return value
    return _SPECIAL[param.kind](reader, param)


def _bound(value: float, param: Param, where: str, coin: str = "") -> None:
    low = -math.inf if param.low is None else param.low
    high = math.inf if param.high is None else param.high
    if not low <= value <= high:
        name = f"{param.name}.{coin}" if coin else param.name
        unit = "" if param.unit == "0..1" else param.unit
        raise ConfigError(f"{where}: {name} = {value}; allowed: {low:,.15g} to {high:,.15g} {unit}".rstrip())


def _time(reader: Reader, param: Param) -> dt.datetime:
    value = reader.table[param.name]
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, dt.datetime) or value.tzinfo is not None:
        raise ConfigError(
            f"{reader.where}: {param.name} = {shown(reader.table[param.name])}; write UTC as 2025-10-10T21:00:00"
        )
    return value


def _coins(reader: Reader, param: Param) -> tuple[str, ...]:
    value = reader.table[param.name]
    coins = tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value
    if not isinstance(coins, list | tuple) or not coins or not all(isinstance(coin, str) and coin for coin in coins):
        raise ConfigError(f'{reader.where}: coins = {shown(value)}; write BTC,SOL or ["BTC", "SOL"]')
    if len(set(coins)) < len(coins):
        raise ConfigError(f"{reader.where}: coins = {value!r} names a coin twice; name each once")
    return tuple(coins)


def _numbers(reader: Reader, param: Param) -> PerCoin:
    value = reader.table[param.name]
    if isinstance(value, Mapping):
        table = Reader(value, f"{reader.where} {param.name}")
        rows = {key: table.get(key, float) for key in value}
    else:
        rows = {"": reader.get(param.name, float)}
    for coin, number in rows.items():
        _bound(number, param, reader.where, coin)
    return dict(sorted(rows.items())) if isinstance(value, Mapping) else rows[""]


def _mix(reader: Reader, param: Param) -> Mix:
    table = reader.get(param.name, dict)
    out: dict[str, tuple[tuple[float, float, float], ...]] = {}
    for coin, rows in sorted(table.items()):
        where = f"{reader.where}: leverage_mix.{coin}"
        if (
            not isinstance(rows, list | tuple)
            or not rows
            or not all(isinstance(row, list | tuple) and len(row) == 3 and all(map(_is_number, row)) for row in rows)
        ):
            raise ConfigError(f"{where} = {shown(rows)}; write [[0, 3, 0.36], [3, 7, 0.49], [7, 0, 0.15]]")
        out[coin] = tuple((float(a), float(b), float(c)) for a, b, c in rows)
        shares = sum(row[2] for row in out[coin])
        ends_badly = any(0 < row[1] <= row[0] or min(row) < 0 for row in out[coin])
        if abs(shares - 1) > 1e-9 or ends_badly:
            rule = "each row is [from, to, share] with from < to or to = 0"
            raise ConfigError(f"{where} = {shown(rows)}; shares sum to 1 (now {shares:g}), {rule}")
    return out


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _watch(reader: Reader, param: Param) -> tuple[Watch, ...]:
    rows = []
    for row in reader.tables(param.name):
        watch = Watch(
            row.get("name", str),
            row.get("coin", str),
            row.choice("side", ("long", "short")),
            row.get("size_base", float),
            row.get("entry_px", float),
            row.get("leverage", float),
            row.get("hedged", bool, False),
            row.choice("margin_mode", ("isolated", "cross"), "isolated"),
        )
        row.done()
        numbers = (watch.size_base, watch.entry_px, watch.leverage)
        if min(numbers) <= 0:
            raise ConfigError(f"{row.where}: size_base, entry_px and leverage must be above zero")
        if not watch.name.strip() or any(unicodedata.category(letter) in {"Cc", "Zl", "Zp"} for letter in watch.name):
            raise ConfigError(f"{row.where}: name = {shown(watch.name)}; write one line without control characters")
        rows.append(watch)
    _check_names(rows, reader.where)
    return tuple(rows)


def _check_names(rows: list[Watch], where: str) -> None:
    """Let only the positions of one cross account share a name, one a coin and side."""
    first: dict[str, Watch] = {}
    for watch in rows:
        other = first.setdefault(watch.name, watch)
        if other is not watch and {other.margin_mode, watch.margin_mode} != {"cross"}:
            fix = 'give each its own, or margin_mode = "cross" to all positions of one account'
            raise ConfigError(f"{where}: two [[watch]] tables share a name; {fix}")
    if len({(watch.name, watch.coin, watch.side) for watch in rows}) < len(rows):
        raise ConfigError(f"{where}: two [[watch]] tables share name, coin and side; merge them")


_SPECIAL = {"time": _time, "coins": _coins, "per_coin": _numbers, "mix": _mix, "watch": _watch}


def parse_set(text: str) -> dict[str, Any]:
    """Read one ``--set field=value``; the value is TOML, bare words are text, ``field.COIN`` sets one coin.

    Examples
    --------
    >>> parse_set("open_interest_usd.BTC=4.48e9"), parse_set("ranking=bitmex")
    ({'open_interest_usd': {'BTC': 4480000000.0}}, {'ranking': 'bitmex'})
    """
    key, equals, raw = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text}: write --set field=value")
    name, _, coin = key.strip().partition(".")
    name = {"open_interest": "open_interest_usd", "policy": "ranking"}.get(name, name)
    try:
        value = tomllib.loads(f"value = {raw.strip()}")["value"]
    except (ValueError, RecursionError):  # not TOML: a bare word, judged below
        value = raw.strip()
    if name in BY_NAME and BY_NAME[name].kind == "text" and not isinstance(value, str):
        value = raw.strip()  # a name may look like a date or a number
    return check_values({name: {coin: value} if coin else value}, "--set")


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Lay scenario values over each other; tables per coin are merged key by key."""
    out: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            old = out.get(key)
            kind = BY_NAME[key].kind
            if kind in {"per_coin", "mix"} and isinstance(value, Mapping) and old is not None:
                base = old if isinstance(old, Mapping) else {"default": old}
                value = dict(sorted({**base, **value}.items()))
            out[key] = value
    return out


def build(values: Mapping[str, Any]) -> Scenario:
    """Build a scenario from merged values; rules must have been filled in from venue and event."""
    filled = {param.name: values.get(param.name, param.default) for param in PARAMS}
    for name, value in filled.items():
        if isinstance(value, str) and value in {RULE, EVENT}:
            if name == "open_interest_usd":
                filled[name] = None
                continue
            raise ConfigError(f"{name} has no value {value}; give it with --set {name}=VALUE")
    return Scenario(**filled)
