"""The summary block: the headline numbers of a run with their units."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from backtest.formatting import coin, period, plural, utc, whole_usd
from backtest.run.draw_lines import cliff_lines, draw_lines
from backtest.schema.coins import is_rest

if TYPE_CHECKING:
    from backtest.run.run import StoredRun
    from backtest.run.stored import Seeds


def lines(run: StoredRun) -> list[tuple[str, str]]:
    """Return label and value of each line of the block."""
    s: dict[str, Any] = run.summary()
    audits = run.audits()
    passed = sum(audit.passed for audit in audits)
    long_share = s["liquidated_long_share_frac"]
    pool = s["pool"]
    equity = [whole_usd(s[f"pool_{when}_usd"]) for when in ("start", "end", "low")]
    after = s["first_adl_after_s"]
    unit = run.meta.settlement.unit
    onset = f" ({after:.0f} s after the first liquidation)" if after is not None else ""
    rows = [
        ("event", f"{s['event_id']} at {s['venue']}, {period(s['start_ts'], s['end_ts'])} UTC"),
        ("symbols", named(s["symbols"].split(","), whole=True)),
        *([("unit", unit)] if unit else []),
        ("positions", f"{s['positions']:,} ({run.meta.labels.book.badge} book, seed {s['seed']})"),
        ("open interest", f"{whole_usd(s['open_interest_usd'])} a side"),
        *_rest(s),
        *draw_lines(run, s),
        ("liquidated", f"{whole_usd(s['liquidated_usd'])} in {s['liquidations']:,} liquidations"),
        ("  longs", whole_usd(s["liquidated_long_usd"]) + (f" ({long_share:.1%})" if long_share is not None else "")),
        ("  shorts", whole_usd(s["liquidated_short_usd"])),
        (f"{pool} start", equity[0]),
        (f"{pool} end", equity[1]),
        (f"{pool} low", f"{equity[2]} at {utc(s['pool_low_ts'])}"),
        *_vaults(run),
        *(("beware", note) for note in run.meta.headline),
        *_stressed(s),
        ("ADL", f"{whole_usd(s['adl_usd'])} closed in {s['adl_positions']:,} positions, {s['adl_waves']:,} waves"),
        *cliff_lines(run, s),
        ("first ADL", utc(s["first_adl_ts"]) + onset),
        ("uncovered", whole_usd(s["uncovered_usd"])),
        ("conservation", f"residual {whole_usd(s['residual_usd'])}"),
        ("audits", f"{passed} of {len(audits)} passed"),
        *_suspects(run),
    ]
    return rows + (_bands(run.studies.seeds) if run.studies.seeds else [])


def named(symbols: Iterable[str], *, whole: bool = False) -> str:
    """Return the coins of symbols, or the symbols, in words; the rest of the venue says that it has no bars.

    Examples
    --------
    >>> named(["BTC/USDT:USDT", "REST/USDT:USDT"])
    'BTC, REST (modelled, no bars)'
    """
    rows = ((symbol if whole else coin(symbol), is_rest(symbol)) for symbol in symbols)
    return ", ".join(f"{name} (modelled, no bars)" if rest else name for name, rest in rows)


def _rest(s: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines on the modelled rest of the venue, whose figures are in no total above or below."""
    if s["rest_open_interest_usd"] is None:
        return []
    interest, lost, closed = (whole_usd(s[f"rest_{name}_usd"]) for name in ("open_interest", "liquidated", "adl"))
    counted = f"in no total but positions, {s['pool']} and uncovered"
    return [
        ("rest of venue", f"{interest} a side, modelled, no bars; {counted}"),
        ("  REST", f"liquidated {lost}, ADL {closed}"),
    ]


def _vaults(run: StoredRun) -> list[tuple[str, str]]:
    """Return a line on each of several vaults: its coins, what it began with and its lowest equity."""
    if not run.meta.scenario.vaults:
        return []
    frame = run.query("fund_balance")
    rows = [row for row in frame.to_dicts() if row["pool"] == "vault"]
    out = []
    for serves in dict.fromkeys(row["serves"] for row in rows if row["serves"]):
        mine = [row for row in rows if row["serves"] == serves]
        low = min(mine, key=lambda row: row["equity_usd"])
        coins = ", ".join(map(coin, serves.split("+")))
        start = whole_usd(mine[0]["equity_usd"])
        out.append(("  vault", f"{coins}: {start}, lowest {whole_usd(low['equity_usd'])} at {utc(low['ts'])}"))
    return out


def _suspects(run: StoredRun) -> list[tuple[str, str]]:
    """Return a line on doubtful values that were allowed, if there are any: how many, and the first."""
    found = run.meta.suspects
    if not found:
        return []
    first = found[0]
    value = f"{coin(first.symbol)} {first.series} {first.field} {first.value:,.6g} at {first.ts.isoformat()}"
    walked = sum(one.walked for one in found)
    some = f"{walked} replayed, the rest before the core"
    where = {len(found): "replayed", 0: "before the core"}.get(walked, some)
    return [("suspicious", f"{len(found)} {plural(len(found), 'value')}, {where}: {value}")]


def _stressed(s: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a line on a vault that stood below its own maintenance."""
    steps, most = s["vault_below_maintenance_steps"], s["vault_leverage_max"]
    if not steps:
        return []
    leverage = f", leverage up to {most:,.1f}" if most is not None else ""
    return [("vault margin", f"below its own maintenance at {steps:,} {plural(steps, 'price')}{leverage}")]


def _bands(seeds: Seeds) -> list[tuple[str, str]]:
    """Return a line per headline: median and 5 to 95 % over seeds."""
    rows = [("over seeds", f"median (5 to 95 %) of {len(seeds.run_ids)} runs")]
    for name, band in seeds.bands.items():
        label = "  " + name.removesuffix("_usd").removesuffix("_s").replace("_", " ")
        if name.endswith("_usd"):
            rows.append((label, f"{whole_usd(band.median)} ({whole_usd(band.low)} to {whole_usd(band.high)})"))
        else:
            unit = " s" if name.endswith("_s") else ""
            rows.append((label, f"{band.median:,.0f}{unit} ({band.low:,.0f} to {band.high:,.0f})"))
    return rows


def block(run: StoredRun) -> str:
    """Return the block as text."""
    with run.trusted():
        rows = lines(run)
    width = max(len(label) for label, _ in rows)
    head = f"run {run.run_id}"
    return "\n".join([head, *(f"  {label:<{width}}  {value}" for label, value in rows)])
