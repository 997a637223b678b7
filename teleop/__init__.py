"""Teleoperation: devices, the recording session, and the arms that it drives."""
