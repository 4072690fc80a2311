"""The Colab round trip is refused by name until it is built."""

from __future__ import annotations

import pytest
from gaslamp.core.errors import GaslampError
from gaslamp.remote.colab import STEPS, run_step


@pytest.mark.parametrize("step", STEPS)
def test_each_step_fails_with_the_reason(step: str) -> None:
    with pytest.raises(GaslampError, match=f"the Colab step '{step}' is not built yet") as caught:
        run_step(step)
    assert caught.value.fix == "use snakemake --profile cpu"
