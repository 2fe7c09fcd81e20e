"""Splits: which rows are trained on, which choose the model, which measure it; and their record ``split.json``."""

from colonnade.data.split.auto import Auto
from colonnade.data.split.base import Divider, Splitter
from colonnade.data.split.cross import CrossValidator, Fold, RowFolds
from colonnade.data.split.declared import Official, Predefined
from colonnade.data.split.folds import Folds, KFold
from colonnade.data.split.joined import Joined
from colonnade.data.split.ordered import Time
from colonnade.data.split.record import Split
from colonnade.data.split.shuffled import Group, Random, Stratified
from colonnade.data.split.time_folds import TimeFolds

__all__ = [
    "Auto",
    "CrossValidator",
    "Divider",
    "Fold",
    "Folds",
    "Group",
    "Joined",
    "KFold",
    "Official",
    "Predefined",
    "Random",
    "RowFolds",
    "Split",
    "Splitter",
    "Stratified",
    "Time",
    "TimeFolds",
]
