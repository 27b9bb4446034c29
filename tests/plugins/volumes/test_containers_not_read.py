"""An image in a container that is not read yet says which, instead of passing as an unknown disk.

The formats are those the manifest gives (`format`), told there by qemu-img, libvhdi and 7-Zip.
"""

import pytest

from forensic_kit.bytesource import FileSource
from forensic_kit.formats.signatures import recognise

FILES = {
    "images/qcow2/ext2.qcow2": "QCOW",
    "images/sleuthkit/image.qcow": "QCOW",
    "images/vmdk/ext2.vmdk": "VMDK",
    "images/vhd/ext2.vhd": "VHD",
    "images/vdi/basic.vdi.gz": "VDI",
    "images/dmg/hfsplus_zlib.dmg": "Apple disk image",
    "images/ad1/ad1_test.ad1": "AD1",
    "images/aff4/Base-Linear.aff4": "ZIP",
}


@pytest.mark.parametrize("name", FILES)
def test_a_container_that_is_not_read_is_named(corpus, name):
    found = recognise(FileSource(corpus.unpacked(name)))
    assert found.kind == "container"
    assert found.name.startswith(FILES[name])
    assert "does not read this format" in found.sentence
