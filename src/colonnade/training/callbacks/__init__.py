"""Callbacks, a file each; ``conf/callbacks`` names them."""
