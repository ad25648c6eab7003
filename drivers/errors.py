"""What can go wrong between the wire and the house.

    UserError             a person can mend it: one line (what, where, what to do), exit code 2, no traceback
      ConfigError         a configuration cannot be used as it stands
      AlertError          a vendor message cannot be taken in; it goes to rejected/ with this reason
    SourceDown            a source failed as a whole: the poller stores BAD for each of its tags
    WriteRefused          somebody tried to send anything but an allowed read; nothing left the host

Inside a poll nothing is raised for one tag: that is a sample with quality bad and a reason.
"""


class UserError(Exception):
    """A person can mend it. The text is one line: what, where, what to do."""


class ConfigError(UserError):
    """A configuration cannot be used as it stands."""


class AlertError(UserError):
    """A vendor message cannot be taken in."""


class SourceDown(Exception):
    """A source as a whole gives no answer; `detail` says what was seen.

    `unreachable`: it may be a matter of address, cable or power, and not of settings, certificates or rights.
    """

    def __init__(self, source: str, detail: str, *, unreachable: bool = True) -> None:
        super().__init__(f"{source}: {detail}")
        self.source = source
        self.detail = detail
        self.unreachable = unreachable


class WriteRefused(Exception):
    """A request that is not an allowed read was stopped before the socket."""
