"""What the mac backend minimizes: for each method the loss that TRL's trainer of the same name has.

mlx-lm's trainer has one loss only. mlx-tune's own losses are not used: they count the prompt as answer (its SimPO
divides by the length of prompt and answer), its ORPO has no odds, its KTO no reference. tests/mac starts both backends
from the same adapter and compares their losses.
"""

from __future__ import annotations

from gaslamp.core.errors import GaslampError
from gaslamp.train.method import Context
from gaslamp.train.mlx.objectives.base import Objective
from gaslamp.train.mlx.objectives.pairs import Dpo, Orpo, Simpo
from gaslamp.train.mlx.objectives.ratings import Kto
from gaslamp.train.mlx.objectives.tokens import Documents, Tokens, VisionTokens

OBJECTIVES: dict[str, type[Objective]] = {
    "sft": Tokens,
    "cpt": Documents,
    "vision_sft": VisionTokens,
    "dpo": Dpo,
    "orpo": Orpo,
    "simpo": Simpo,
    "kto": Kto,
}
"""Method -> its loss. The backend mac trains these methods."""


def get_objective(context: Context) -> Objective:
    """The objective of the context's method. Raises GaslampError for one that MLX does not train."""
    name = context.settings.method
    if name not in OBJECTIVES:
        raise GaslampError(
            f"MLX does not train with the method '{name}'",
            f"set method to one of: {', '.join(OBJECTIVES)}; or use snakemake --profile mps",
        )
    return OBJECTIVES[name](context)
