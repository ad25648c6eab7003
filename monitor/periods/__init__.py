"""The time run by hand, brought home: journals of the fallback become entries, samples and a debrief.

    folder      the files of the journals, in one order
    journal     a journal's file as it lies there: its entries, and what cannot be believed of it
    procedure   the little that is read of a procedure's text, as the journal holds it
    walk        where a run stood, and which HOLDs, second persons and rounds it went past
    period      what the entries tell: runs, readings, hand-overs, deviations, how it ended
    named       which tag a reading of a step measures, as the sheets of the configuration say
    drilled     for which station a drill counts, and why it does not for another
    entries     what the ledger is told of a period
    missing     when telemetry was missing meanwhile
    taking      each journal that has ended is taken in once; samples, gaps and debrief are made from the ledger
    command     `handwheel import period`
    substitute  `handwheel reading substitute`: a gap filled between values that were read, because a role says so

Nothing of the fallback is imported: its file format is the border (tests/golden/journal.jsonl).
"""
