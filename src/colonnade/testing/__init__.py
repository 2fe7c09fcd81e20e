"""Contract suites that this project runs over its own parts, and that authors of further parts can run over theirs."""
