"""The mechanism page, section 6: the margin that a vault may keep, and what each of several vaults ends with."""

from typing import Any

from .slow_state import Claim, State, maintenance_margin
from .slow_vaults import VAULT, vault_of, vault_owners, vault_sets


def keeps_margin(state: State) -> bool:
    """Tell whether the vaults keep a margin."""
    return bool(state.profile["vault"].get("margin") == "maintenance")


def margin_of_inventory(state: State, lots: dict[str, int]) -> int:
    """Return the maintenance margin of an inventory: each symbol's by its own tiers, on its value at the mark."""
    tiers = {symbol: rules["tiers"] for symbol, rules in state.world["symbols"].items()}
    return sum(maintenance_margin(tiers[symbol], state.value(symbol, abs(held))) for symbol, held in lots.items())


def excess(state: State, owner: str) -> int:
    """Return a vault's equity less the maintenance margin of its inventory."""
    return state.equity(owner) - margin_of_inventory(state, state.ledger.lots[owner])


def is_low(state: State, owner: str) -> bool:
    """Tell whether a vault's inventory goes to ADL."""
    return (excess(state, owner) if keeps_margin(state) else state.equity(owner)) < 0


def accepts(state: State, claim: Claim) -> bool:
    """Tell whether the vault takes a claim: not if that lowers what it has above its margin, and to below zero."""
    owner = vault_of(state.world, claim.symbol)
    lots = state.ledger.lots[owner]
    after = {**lots, claim.symbol: lots[claim.symbol] + claim.side * claim.lots}
    gain = claim.worth * (state.value(claim.symbol, claim.lots) - claim.amount)
    left = state.equity(owner) + gain - margin_of_inventory(state, after)
    return not keeps_margin(state) or left >= 0 or left >= excess(state, owner)


def note_refusal(state: State, claim: Claim) -> None:
    """Note the first claim that a vault refuses."""
    owner = vault_of(state.world, claim.symbol)
    number = list(vault_owners(state.world)).index(owner)
    if number not in {row[1] for row in state.refused_by_vaults}:
        state.refused_by_vaults.append([state.step.number, number, claim.symbol, state.equity(owner)])


def merged_vaults(state: State, result: dict[str, Any]) -> dict[str, Any]:
    """Add up several vaults: `vault` of the owners is all of them, `vaults` each; and what each first refused."""
    table = dict(result["owners"])
    out = {**result, "owners": table}
    if vault_sets(state.world):
        out["vaults"] = each = [table.pop(owner) for owner in vault_owners(state.world)]
        lots = {symbol: sum(row["lots"][symbol] for row in each) for symbol in state.symbols}
        table[VAULT] = {"cash": sum(row["cash"] for row in each), "lots": lots}
    if state.profile.get("vault") and keeps_margin(state):
        out["vault_refusals"] = state.refused_by_vaults
    return out
