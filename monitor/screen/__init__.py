"""The control-room screen: a process of its own that reads files and asks the daemon to record decisions."""
