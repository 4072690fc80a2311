"""Former place of these functions; deleted when nothing imports it any more."""

from gaslamp.config.base_models import EMBEDDED as EMBEDDED
from gaslamp.config.base_models import get_model_name as get_model_name
from gaslamp.models.fetch import fetch_model as fetch_model
