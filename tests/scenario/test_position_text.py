"""Positions as traders write them: read whole, or refused in one line that says which part."""

from __future__ import annotations

import pytest

from backtest.errors import ConfigError
from backtest.scenario.position_text import FORM, read_position


@pytest.mark.parametrize(
    "text",
    [
        "short 20000 SOL @ 221.5, 12x",
        "  SHORT 20k sol @221.5 12X ",
        "Short 20_000 SOL at $221.5; 12 x",
        "short 20,000 SOL @ 221.50,12x",
        "short $4.43m SOL @ 221.5, 12x",
        "short 4,430,000 usd of SOL @ 221.5, 12x",
        "short 4430k USDC sol @ 2.215e2 12x",
    ],
)
def test_one_position_in_many_spellings(text: str) -> None:
    found = read_position(text, hedged=True)
    assert (found.name, found.coin, found.side) == ("short 20000 SOL", "SOL", "short")
    assert (found.size_base, found.entry_px, found.leverage) == (20000.0, 221.5, 12.0)
    assert (found.hedged, found.margin_mode) == (True, "isolated")


@pytest.mark.parametrize(
    "rest",
    ["collateral 25k", "collateral: $25,000", "margin=25000", "with 25k", "with 25k margin", "25k usd margin"],
)
def test_collateral_in_place_of_leverage(rest: str) -> None:
    # 0.5 BTC at 100,000 are 50,000 USD
    assert read_position(f"long .5 btc @ 100k, {rest}").leverage == 2.0


def test_contracts_and_builders_have_their_own_names() -> None:
    inverse = read_position("short 3000 btc/usd:btc @ 7000, 2x")
    assert (inverse.coin, inverse.size_base) == ("BTC/USD:BTC", 3000.0)
    assert read_position("long 10 xyz:SILVER @ 30, 2x").coin == "XYZ-SILVER"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "position '': it does not begin with long or short"),
        ("shrt 1 BTC @ 1, 2x", "it does not begin with long or short"),
        ("short BTC @ 1, 2x", "the size is 'BTC', not a number such as 20k"),
        ("short nan BTC @ 1, 2x", "the size is 'nan', not a number"),
        ("short -3 BTC @ 1, 2x", "the size is '-3', not a number"),
        ("short 1e400 BTC @ 1, 2x", "the size is '1e400', not a number"),
        ("short 1e30 BTC @ 1, 2x", "the size is 1e+30; it must be above zero and at most 1e+15"),
        ("short 0 BTC @ 1, 2x", "the size is 0; it must be above zero"),
        ("short", "the size is missing"),
        ("short 1 @ 3, 2x", "the coin is missing"),
        ("short 1 BTC 3, 2x", "no @ with the entry price follows the coin 'BTC'"),
        ("short 1 BTC @ inf, 2x", "the entry price is 'inf,', not a number"),
        ("short 1 BTC @ 0, 2x", "the entry price is 0; it must be above zero"),
        ("short 1 BTC @ 5", "leverage or collateral is missing"),
        ("short 1 BTC @ 5, x", "the leverage has no number before its x"),
        ("short 1 BTC @ 5, 0x", "the leverage is 0; it must be above zero"),
        ("short 1 BTC @ 5, 12", "neither a leverage (12x) nor a collateral"),
        ("short 1 BTC @ 5, 2x now", "'now' at its end has no meaning"),
        ("short $3 BTC/USD:BTC @ 7000, 2x", "BTC/USD:BTC counts contracts, not dollars"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_form(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_position(text)
    line = str(raised.value)
    assert said in line
    assert line.endswith(f"; {FORM}")
    assert "\n" not in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("short 20.000 SOL @ 221.5, 12x", "the size 20.000 may be 20 or 20000: write one of the two"),
        ("short 1.000.000 DOGE @ 0.2, 2x", "the size 1.000.000 has points between thousands: write 1000000"),
        ("short 20 000 SOL @ 221.5, 12x", "the size 20 000 is in parts: write 20000"),
        ("short 20000 SOL @ 221,5, 12x", "the entry price 221,5 has a decimal comma: write 221.5"),
        ("short 20000 SOL @ 221.5, 12,5x", "the leverage 12,5 has a decimal comma: write 12.5"),
        ("short 20000 SOL @ 221.5, collateral 443.000", "443.000 may be 443 or 443000"),
    ],
)
def test_a_number_that_can_be_read_in_two_ways_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_position(text)


@pytest.mark.parametrize(
    "text", ["short 2000 XRP @ 2.345, 12x", "short 2,000 XRP@2.345,12x", "short .5 BTC @ 0.500, 2x"]
)
def test_decimals_and_commas_as_they_are_written_stay(text: str) -> None:
    assert read_position(text).entry_px in {2.345, 0.5}
