"""The pictures of a report: roofline, timeline, growth of the receptive field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics.renderers.pictures.growth import growth
from magics.renderers.pictures.picture import Picture
from magics.renderers.pictures.roofline import roofline
from magics.renderers.pictures.timeline import timeline

if TYPE_CHECKING:
    from magics.records import Profile

__all__ = ["Picture", "pictures"]


def pictures(profile: Profile) -> list[Picture]:
    """Return the pictures that the profile has something to show in."""
    profile = profile.in_order
    drawn = (roofline(profile), timeline(profile), growth(profile))
    return [picture for picture in drawn if picture]
