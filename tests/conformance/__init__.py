"""The conformance suite: one set of checks over the wire for any dYdX network.

It knows the protocol and nothing of this project's parts, except where it says so: chapter "ours"
drives `core.dydx`, chapter "official" the official Python client. docs/conformance.md says how to
run it.
"""

import logging

# Its import opens channels to networks that nobody asked for and warns of its own addresses.
logging.getLogger("dydx_v4_client.network").setLevel(logging.ERROR)
