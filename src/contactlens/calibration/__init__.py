"""What both branches share: proper scores, calibration metrics with intervals by track, and recalibration."""
