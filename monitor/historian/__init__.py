"""The historian: a hot SQLite file for the last hours, Parquet folders for all of history.

The hot file:
    hot        its one writer: frames, the latest, rollups
    opening    one that cannot be read at the start is kept aside
    reader     read by anybody, standard library only
    frame      a frame as bytes, standard library only
    arrays     the same as numpy columns
    picking    some tags out of many frames at once
    latest     the newest sample of each tag
    rollup     what a minute and an hour come to
    checks     how a small row proves that no bit of it was flipped
    proof      whether all of it is as it was written

History, with pyarrow:
    cold       where it lies, and how a file gets there as a whole
    parquet    what a file looks like
    folding    frames become pieces of a day
    merging    pieces become the file of a day
    added      what comes from elsewhere gets its own pieces
    verifying  what is not as it was written goes to quarantine
    purging    old days leave

Asked of both:
    history    the door to all that needs pandas and pyarrow
    store      all that can be asked, as one interface
    query      samples over hot and cold alike
    buckets    rollups of any span
    frames     a regular grid for models
    gaps       spans with nothing, or nothing usable
    health     sizes, how far history has come, damage
    command    `handwheel history`
"""
