"""Fail if a test was skipped for a reason that this machine could have met.

python .ci/skips.py JUNIT_XML: exit 0 if every skip has a good reason, 1 if not, 3 without a readable report.
"""

import os
import re
import shutil
import sys
import xml.etree.ElementTree
from pathlib import Path


def good_reasons() -> list[str]:
    """Patterns of reasons that hold here."""
    reasons = [r"only on (Windows|macOS)", r"needs (Windows|macOS)"]
    # What no package can change: a sandbox without FUSE, and libtsk's own crashes, which cost a worker and no run.
    reasons += [r"no /dev/fuse", r"ntfs-3g cannot mount here", r"libtsk itself ended with signal"]
    default = Path(__file__).resolve().parents[2] / "shared" / "corpus"
    corpus = Path(os.environ.get("FORENSIC_KIT_CORPUS", default))
    if not (corpus / "MANIFEST.json").is_file():
        reasons.append(r"no test corpus at")
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if not is_root:
        reasons.append(r"needs root")
    if is_root:
        reasons.append(r"root (may|can) (read|write)|not as root")
    if not (is_root and shutil.which("apt-get")):
        reasons.append(r"the program \S+ is not installed")
    return reasons


def main(report: str) -> int:
    """Print every skip without a good reason."""
    try:
        cases = xml.etree.ElementTree.parse(report).getroot().iter("testcase")
    except (OSError, xml.etree.ElementTree.ParseError) as error:
        print(f"no report of the tests: {error}")
        return 3
    good = re.compile("|".join(good_reasons()))
    bad = 0
    for case in cases:
        for skip in case.findall("skipped"):
            reason = skip.get("message", "")
            if skip.get("type") != "pytest.xfail" and not good.search(reason):
                print(f"skipped without need: {case.get('classname')}::{case.get('name')}: {reason}")
                bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
