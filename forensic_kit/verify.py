"""Digests recomputed and compared: equal, different, or nothing there to compare with."""

from typing import Any

from forensic_kit.tasks import Verified


def compare(found: Verified, expected: dict[str, str], before: dict[str, Any] | None = None) -> dict[str, Any]:
    """What recomputing says.

    Args: found: the digests computed. expected: by algorithm, what the examiner gave. before: an earlier result
    of the same exhibit to compare with.
    Returns: ``{"md5", "sha1", "sha256", "size", "unreadable", "compared": [{"algorithm", "stored", "computed",
    "origin", "equal"}], "result": "verified" | "mismatch" | "not verifiable"}``.
    """
    own = {"md5": found.md5, "sha1": found.sha1, "sha256": found.sha256}
    claims = [
        (algorithm, value, origin, own.get(algorithm))
        for algorithm, value, origin, covers, _ in found.stored
        if covers == "content"
    ]
    claims += [
        (algorithm, value, f"{origin} for {filename}", found.files.get(filename, {}).get(algorithm))
        for algorithm, value, origin, covers, filename in found.stored
        if covers == "file"
    ]
    claims += [
        (algorithm, value, "given with --expect", own.get(algorithm)) for algorithm, value in sorted(expected.items())
    ]
    if before:
        claims += [(algorithm, before[algorithm], "computed before processing", own[algorithm]) for algorithm in own]
    compared = [
        {
            "algorithm": algorithm,
            "stored": value.lower(),
            "computed": computed,
            "origin": origin,
            "equal": computed == value.lower(),
        }
        for algorithm, value, origin, computed in claims
        if computed is not None
    ]
    result = "verified" if all(item["equal"] for item in compared) else "mismatch"
    result = result if compared else "not verifiable"
    return {**own, "size": found.size, "unreadable": found.unreadable, "compared": compared, "result": result}
