"""Decoders that several plugins share: bytes in, values out."""
