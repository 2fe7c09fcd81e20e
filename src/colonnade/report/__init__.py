"""What people look at when a training is over: figures and the table of metrics."""
