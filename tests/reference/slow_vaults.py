"""The vaults of a world: one over all symbols (`vault`), or one a set of symbols (`vault 0`, `vault 1`)."""

from typing import Any

VAULT = "vault"


def vault_sets(world: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the sets that have a vault each, none where there is one vault or none."""
    sets: list[dict[str, Any]] = (world["profile"].get("vault") or {}).get("sets") or []
    return sets


def vault_owners(world: dict[str, Any]) -> dict[str, int]:
    """Return the vaults with their cash at the start, in the order in which they act."""
    vault = world["profile"].get("vault")
    if not vault:
        return {}
    sets = vault_sets(world)
    return {f"{VAULT} {n}": each["capital"] for n, each in enumerate(sets)} or {VAULT: vault["capital"]}


def vault_of(world: dict[str, Any], symbol: str) -> str:
    """Return the vault that takes what a symbol's positions leave."""
    return next((f"{VAULT} {n}" for n, each in enumerate(vault_sets(world)) if symbol in each["symbols"]), VAULT)


def is_vault(owner: object) -> bool:
    """Tell whether an owner is a vault."""
    return isinstance(owner, str) and owner.startswith(VAULT)
