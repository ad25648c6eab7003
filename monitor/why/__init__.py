"""Why an alert: what the vendor said, what our own model and the physics said then, what was decided, what was found.

Never more than the records say; what is not known is shown as such. Only `physics` and `command` load models: the rest
is for the screen too, and needs the standard library and the ledger's readers.

    asking   which alert is meant, and what the ledger has of it
    story    all of it as one value
    telling  its words, section by section
    found    of these: jobs, findings, failures, and what is missing
    physics  the lines of physics of that time, computed again
    command  `handwheel why`
"""
