"""What a profile says: plain frozen records, to and from JSON.

Measured numbers are kept raw, as replicates; everything that follows from others is a
property. A record knows neither torch nor a renderer: renderers announce themselves with
`register_view` and `register_form`, and a saved profile shows itself anywhere.
"""

from magics.records.advice import Advice, Suggestion
from magics.records.ceilings import Ceilings
from magics.records.comparison import Claim, Comparison, MatchedLayers, Ratios
from magics.records.exchange import SCHEMA
from magics.records.layer import LayerProfile, ReceptiveField
from magics.records.measurement import Measurement
from magics.records.profile import RELEVANT_SHARE, Profile
from magics.records.ratio import Ratio
from magics.records.selecting import View
from magics.records.spread import Rank, Spread
from magics.records.sweep import Sweep, SweepAxis, SweepPoint
from magics.records.totals import Totals, Uncounted
from magics.records.views import register_form, register_view

__all__ = [
    "RELEVANT_SHARE",
    "SCHEMA",
    "Advice",
    "Ceilings",
    "Claim",
    "Comparison",
    "LayerProfile",
    "MatchedLayers",
    "Measurement",
    "Profile",
    "Rank",
    "Ratio",
    "Ratios",
    "ReceptiveField",
    "Spread",
    "Suggestion",
    "Sweep",
    "SweepAxis",
    "SweepPoint",
    "Totals",
    "Uncounted",
    "View",
    "register_form",
    "register_view",
]
