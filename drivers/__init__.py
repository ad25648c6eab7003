"""From the wire to a Batch or an Alert. A driver knows how to read its protocol and nothing of plants, models or disks,
so that it can be tested against a real server and replaced without touching anything else.
"""
