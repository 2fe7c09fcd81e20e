"""Splits: which rows are trained on, which choose the model, which measure it; and their record ``split.json``."""

from colonnade.data.split.auto import Auto
from colonnade.data.split.base import Divider, Splitter
from colonnade.data.split.declared import Official, Predefined
from colonnade.data.split.folds import KFold
from colonnade.data.split.joined import Joined
from colonnade.data.split.ordered import Time
from colonnade.data.split.record import Split
from colonnade.data.split.shuffled import Group, Random, Stratified

__all__ = [
    "Auto",
    "Divider",
    "Group",
    "Joined",
    "KFold",
    "Official",
    "Predefined",
    "Random",
    "Split",
    "Splitter",
    "Stratified",
    "Time",
]
