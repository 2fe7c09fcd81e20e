"""Measures of predictions: functions of scored rows, in float64, with sample weights, NaN where undefined."""
