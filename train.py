"""The door: ``python train.py model=tabnet data=adult`` is ``colonnade train model=tabnet data=adult``."""

import sys

from colonnade.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
