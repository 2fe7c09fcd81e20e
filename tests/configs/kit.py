"""Which models take sequences, and which of these forecast."""

OF_SEQUENCES = (
    "event_gru",
    "event_transformer",
    "gru",
    "inception_time",
    "lite",
    "lstm",
    "mingru",
    "minirocket",
    "resnet1d",
    "tcn",
    "transformer",
)
# Of whole series above; of forecasts those with something to choose, and those without.
SEARCHED = (
    "deepar",
    "dlinear",
    "gru_forecast",
    "itransformer",
    "lstm_forecast",
    "nhits",
    "nlinear",
    "patchtst",
    "tft",
    "tide",
    "tsmixer",
)
FIXED = ("ets", "naive", "seasonal_naive", "theta")
OF_FORECASTS = tuple(sorted((*SEARCHED, *FIXED)))
