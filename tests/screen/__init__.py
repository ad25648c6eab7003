"""The screen: pure pages first, then the running program against real files, a real socket and a real child process."""
