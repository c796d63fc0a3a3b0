"""`jobferry local`: the whole stack on this machine, on an embedded AWS emulator."""
