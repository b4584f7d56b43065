"""What tests of memory share: a profile of memory alone, and small networks."""

from torch import nn

import magics

MIB = 1024**2


def followed(model, *inputs, **options):
    return magics.profile(
        model, *inputs, measure=False, memory=True, receptive_field=False, **options
    )


def small(build):
    """Return a published network that takes small images too."""
    model = build()
    model.features.final_pool = nn.AdaptiveAvgPool2d(1)
    return model


def saved(profile):
    return [layer.saved_bytes for layer in profile.layers]


def peaks(profile):
    return [layer.peak_bytes for layer in profile.layers]
