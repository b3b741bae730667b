"""rtdecode: what an animal sees, from its spikes, while it sees it.

Importing the package starts nothing: no LSL, no Qt, no torch.
"""

__version__ = "0.1.0"
