"""The effects of one lane: load a snapshot, do what the scheduler decides, write what happened."""
