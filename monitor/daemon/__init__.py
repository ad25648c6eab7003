"""The daemon, part by part.

Its life:
    life           starts, ticks, stops
    parts          all parts, wired to each other
    taking_up      begins where the last life ended
    reloading      another configuration while it runs
    answering      who asks over the command socket gets what its role may
    telling        the status that is published
    tasks          work beside the tick
    stopping       a stop that was asked for

From the plant to the disk:
    poller         one connection, polled on time
    polling        all of them, exchanged with the configuration
    judging        what a poll brought, at once
    breaks         a tag's number means something else from here on
    survey         what is known of sources, sites, assets and tags now
    hearing        what devices and messages claim
    journals       when a time run by hand has ended
    storing        what waits for the disk
    writer         the one thread that owns hot file and ledger
    drafts         the daemon's own entries
    publishing     heartbeat, and the copy for the fallback

People and alarms:
    desk           where deeds are recorded
    deeds          what each deed needs
    security_desk  the security log, for two together
    alarms         the life of an alarm
    watch          alarms on ourselves

Jobs:
    timetable      when
    dispatch       out to the worker, and its results in
    supervisor     the worker as a process

What may fail around it:
    clock          how far it can be believed
    disk           how full it is, what its faults mean, the reserve
    room           made on a full disk, by policy
    files          moved or replaced by somebody

Beside it:
    difference     between two configurations, in words
    metrics        for Prometheus
    notify         for systemd
    sparing        a log that stays readable
"""
