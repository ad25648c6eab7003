"""`handwheel doctor`: is this host fit for its task, and does it do only what was configured?"""
