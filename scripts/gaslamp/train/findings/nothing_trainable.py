"""No parameter is trained, or no token carries loss: the model that comes out is the one that went in."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import Diagnose
from gaslamp.core.finding import Remedy
from gaslamp.train.diagnose import Seen
from gaslamp.train.history import History

TITLE = "nothing is trained"
CAUSE = "the adapter is on no module, or the loss mask leaves out every token"
SEVERITY = "certain"
STOPS = True
PANEL = "loss"


def find(history: History, limits: Diagnose) -> Seen | None:
    """Counts of trained parameters and tokens, which the start of a training logs."""
    if history.trainable == 0:
        action = "look at train.lora.target_modules and train.lora.layers_to_transform, and at a method of your own"
        return Seen("0 parameters are trained", {"parameters": 0.0}, [Remedy(action=action)], 0)
    if history.trained_tokens == 0 and history.loss_leads:
        action = "look at the marked tokens in data/report.html: the answers must be among them"
        return Seen("0 tokens of the rows carry loss", {"tokens": 0.0}, [Remedy(action=action)], 0)
    return None
