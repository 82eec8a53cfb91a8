#!/usr/bin/env python3
"""Where the hand is: two coordinates at 1 kHz, by the movement that its muscles (emg.py, with the same seed) announce."""
from speaker import position, speak

speak("POSITION", ["x", "y"], position)
