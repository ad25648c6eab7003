"""How history and records leave the house and come in: export, the bundle that takes everything away, import.

Out:
    export        `handwheel export`, and the entry that tells of it
    samples       samples of any span as a stream of tables
    values        samples and rollups as CSV or Parquet
    entries       the ledger as CSV or JSON lines
    bundle        everything in one folder that explains itself
    bundle_check  whether such a folder is whole
    tables        what each file and column means
    sheets        text that spreadsheets read and none is tricked by
    hashed        a file and its SHA-256 in one go

In:
    bring         `handwheel import`
    mapping       what the columns of a foreign file mean
    foreign       its rows, one by one
    decoding      a row becomes samples, or the reason why not
    impossible    numbers that nothing can have measured
    times         times as people write them
    records       records of a past, row by row
    columns       their columns, and what each means
    own           files in our own columns: they need no mapping
    template      such a file, to be filled in
    cells         what stands in one of their cells
    dates         which of two numbers is the day
    suspicion     what their rows give away together
    doubts        what units and times of a file give away
    showing       what would come in, in lines
    staging       put down in a folder before anything is recorded
    arrival       folders that wait, each taken in once
    taking        their rows become part of history
    hours         hourly means for the hot file
"""
