"""What every report says of its own limits, each where it belongs: a flag must not be read for more than it is.

The eleven sentences of the method (bias.md, section 7), in the words of this house.
"""

from monitor.words import N_, _

CAVEATS = {
    "flag": N_("A flag says that recorded findings do not fit the agreed confirmation rate. It says nothing of intent:"
               " miscalibration, a sensor fault or a stricter safety policy explain it equally well."),
    "writer": N_("Who writes the finding decides the answer: in simulation, findings written by the vendor left almost"
                 " nothing to be seen. So only findings of the utility or of a third party count. Keep the removed"
                 " part, photograph and measure it, and let every tenth part be read a second time by somebody who"
                 " does not know of the alert."),
    "missing": N_("Findings that are missing because the part was good hide what is asked for here, and so do"
                  " inspectors who call good parts worn: how findings are made matters as much as how many there are."),
    "choice": N_("The agreed rate q0 and the limits of wear are choices of value, made beforehand. Where a failure"
                 " costs ten times the planned work or more, many alerts that do not confirm are reasonable. The curve"
                 " shows what another agreed rate would have said."),
    "small": N_("Ten pumps in one year are not enough: in simulation only one in four vendors that asked clearly too"
                " early was seen. Say insufficient, pool sites, or look at 24 months."),
    "no_flag": N_("No flag is no clean bill: a vendor a little above the agreed rate is never flagged, by design. The"
                  " upper bound says how high the confirmation rate may still be."),
    "unseen": N_("A part that was replaced never fails: nothing here proves that it would have lasted. Wear measured at"
                 " removal, and deferral chosen by lot, are the only direct views."),
    "executed": N_("Findings exist only for jobs that were done. Where operators filter well, done jobs confirm more"
                   " often than alerts do, so the test favours the vendor."),
    "linear": N_("Life accounting takes a share of wear for the same share of life. Wear that sleeps and then runs, as"
                 " in bearings, breaks that: read U there, and not E_net. This was not simulated."),
    "lot": N_("Never defer by lot on equipment that is critical for safety or has no standby."),
    "simulated": N_("The error rates of this method come from simulated vendors of our own; real alert logic is"
                    " messier, so take its power as optimistic."),
}  # fmt: skip


def caveat(name: str) -> str:
    """One sentence of CAVEATS in the reader's language."""
    return _(CAVEATS[name])
