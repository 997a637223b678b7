"""Demonstrations: the HDF5 file, the journal of the episode in progress, and their readers."""
