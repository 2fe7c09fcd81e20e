"""What is to be learned: a task turns raw outputs into a loss, predictions and measures, and names what to monitor."""
