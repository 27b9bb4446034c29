"""forensic-kit: a plugin-based toolkit for police digital-forensics labs."""

__version__ = "0.1.0"
