"""A book of one's own that is far smaller than the event's open interest: it is the whole venue, and says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backtest.errors import ConfigError
from backtest.formatting import SPACE, percent, usd
from backtest.mechanics.exact import QUANTA_PER_USD, exact_sum
from backtest.scenario.values import per_coin

if TYPE_CHECKING:
    from backtest.run.prepare import Prepared

SMALL_FRAC = 0.1  # of the event's open interest
POOL = ("fund_start_usd", "vault_capital_usd", "vaults")
LIQUIDITY = ("liquidity_scale", "liquidity_factor", "participation_frac")


def whole_venue(prepared: Prepared) -> list[str]:
    """Return a sentence on an imported book below a tenth of the event's open interest, else none."""
    book, scenario, sources = prepared.book, prepared.resolved.scenario, prepared.resolved.sources
    if book.label != "imported":
        return []
    try:
        event = sum(per_coin(scenario.open_interest_usd, coin, "open_interest_usd") for coin in scenario.coins)
    except ConfigError:  # the event knows none
        return []
    held = _held_usd(prepared)
    if not event or held >= SMALL_FRAC * event:
        return []
    words = [
        f"{what} {'as given' if any(sources[name] == 'given' for name in names) else 'of the event, not scaled to it'}"
        for what, names in (("fund or vault", POOL), ("liquidity", LIQUIDITY))
    ]
    text = (
        f"this book is the whole venue, {percent(held / event)} of its open interest ({usd(held)} of {usd(event)} a "
        f"side); {'; '.join(words)}; crashbook watch follows positions of yours in the crowd"
    )
    return [text.replace(SPACE, " ")]


def _held_usd(prepared: Prepared) -> float:
    """Return the open interest of the book at the first mark, the larger side of each coin."""
    book, world, total = prepared.book, prepared.world, 0
    for symbol, contract in enumerate(world.contracts):
        mine = book.crowd & (book.symbol == symbol)
        lots = max(exact_sum(book.lots[mine & (book.side == side)]) for side in (1, -1))
        total += lots * contract.value_per_lot(int(world.walk.mark[symbol, 0]))
    return total / QUANTA_PER_USD
