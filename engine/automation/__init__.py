"""What happens by itself: events become runs of workflows, and runs write through the same door as everyone."""
