"""Values that every part of Jobferry shares. Imports nothing of Jobferry."""
