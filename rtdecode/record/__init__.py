"""The record of a run: written by a process of its own, and read back as a session.

While a run goes on its record is a journal, a folder of files that only grow;
at the end it becomes one NWB file.
"""
