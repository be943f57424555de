"""Sequential evidence of change that spends a budget of false alarms in time (e-detectors)."""
