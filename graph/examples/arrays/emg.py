#!/usr/bin/env python3
"""Muscles: 64 channels of made-up EMG at 1 kHz, rectified, noisy, 100 ms ahead of the hand, drifting by `drift` radians a second."""
import time
import numpy
from speaker import params, position, random, speak

CHANNELS, AHEAD = 64, 0.1  # the hand follows its muscles so many seconds later
to_x, to_y, rest = random.normal(size=CHANNELS), random.normal(size=CHANNELS), random.uniform(-0.3, 0.3, CHANNELS)
noise, drift, began = numpy.random.default_rng(), params.get("drift", 0), time.monotonic()


def sample(seconds):
    x, y = position(seconds + AHEAD)
    turned = drift * (time.monotonic() - began)  # electrodes that slip: the channels slowly mean something else
    cos, sin = numpy.cos(turned), numpy.sin(turned)
    tension = to_x * (cos * x - sin * y) + to_y * (sin * x + cos * y) + rest
    return numpy.maximum(tension, 0) * noise.uniform(0.7, 1.3, CHANNELS) + noise.normal(0, 0.2, CHANNELS)


speak("SIGNAL", [], sample)
