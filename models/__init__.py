"""Pure functions over pandas frames and numpy arrays: health, bias and drift. No clock, disk, network, logging or
hidden state lives here, so that the same input gives the same judgement on any machine, in any year.
"""
