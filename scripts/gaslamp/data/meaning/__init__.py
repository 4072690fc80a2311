"""What the columns of a file mean.

Decided once, for the interview, ``make data-describe``, adoption and the data phase alike.
"""

from gaslamp.data.meaning.decide import LOOKED_AT as LOOKED_AT
from gaslamp.data.meaning.decide import decide as decide
from gaslamp.data.meaning.decide import find_format as find_format
from gaslamp.data.meaning.decide import get_columns as get_columns
from gaslamp.data.meaning.kinds import choose_kind as choose_kind
from gaslamp.data.meaning.readings import Mapping as Mapping
from gaslamp.data.meaning.readings import Meaning as Meaning
from gaslamp.data.meaning.readings import Reading as Reading
