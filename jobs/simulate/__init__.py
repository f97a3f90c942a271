"""Makes a world to build and measure with: people who share honestly, rings among them, and what becomes known of both."""

from jobs.simulate.world import SimulatedWorld, simulate

__all__ = ["SimulatedWorld", "simulate"]
