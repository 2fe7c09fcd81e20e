"""Hydra plugin: makes the shipped configurations and a user's own ``./conf`` visible.

Hydra executes this file while it scans for plugins, in every program of the environment that uses Hydra: it imports
nothing heavy.
"""

from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.plugins.search_path_plugin import SearchPathPlugin


class ColonnadeSearchPath(SearchPathPlugin):
    """Puts ``./conf`` before the shipped folder in our commands; appends the shipped folder in a user's own program.

    So ``./conf/data/mine.yaml`` is chosen by ``data=mine``, a file of the same name as a shipped one replaces it, and a
    user's own primary configuration extends ours with ``defaults: [train, _self_]``.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra with the path it is about to search."""
        from colonnade.config.locate import is_shipped, shipped, user

        main = [element for element in search_path.get_path() if element.provider == "main"]
        if not (main and is_shipped(main[0].path)):
            search_path.append("colonnade", f"file://{shipped()}")
            return
        own = user()
        if own is not None:
            search_path.prepend("user", f"file://{own}", anchor=SearchPathQuery(provider="main"))
