"""Shortcuts: expected values are those of lnkinfo (liblnk), LnkParse3's tests and plaso's tests (corpus manifest)."""

import struct

import pytest

from forensic_kit import registry
from forensic_kit.api import Artefact, At, Damaged, Problem
from forensic_kit.formats.shell_link import BLOCKS, SIGNATURE, uuid_time
from tests.plugins.content import LooseContent

LNKPARSE3 = [
    "broken_link_info",
    "console_properties_block",
    "darwin_block",
    "darwin_block_modified",
    "decoding_error",
    "decoding_error2",
    "decoding_error3",
    "decoding_error4",
    "extra_data",
    "invalid_date",
    "invalid_date2",
    "invalid_date3",
    "microsoft_example",
    "network_info",
    "padded_cli_arguments",
    "sample",
    "sample2",
    "sample3",
    "sample4",
    "sample5",
    "sample6",
    "sample7",
    "sample8",
    "sample9",
    "sample10",
    "sample11",
    "sample12",
    "sample13",
    "sample14",
    "sample15",
    "sample16",
    "sample17",
    "unknown_block",
    "unknown_target",
]
OTHERS = ("lnk/be_WindowsLNK.lnk", "lnk/be_WindowsRLNK.lnk", "lnk/be_deployPkg.dll.lnk", "plaso/NeroInfoTool.lnk")
#: LnkParse3's words for the blocks of 2.5.
BLOCK_NAMES = {
    "ENVIRONMENTAL_VARIABLES_LOCATION_BLOCK": "environment",
    "CONSOLE_PROPERTIES_BLOCK": "console",
    "DISTRIBUTED_LINK_TRACKER_BLOCK": "tracker",
    "SPECIAL_FOLDER_LOCATION_BLOCK": "special_folder",
    "DARWIN_BLOCK": "darwin",
    "ICON_LOCATION_BLOCK": "icon_environment",
    "METADATA_PROPERTIES_BLOCK": "property_store",
    "KNOWN_FOLDER_LOCATION_BLOCK": "known_folder",
}


def parse(data):
    """(shortcut, {type name: records}, problems)"""
    plugin = registry.load().get("windows.lnk", Artefact)()
    shortcut, *found = plugin.parse(LooseContent(data))
    problems = [item for item in found if isinstance(item, Problem)]
    records = {"TargetItem": [], "Tracker": [], "LinkProperty": []}
    for item in found:
        if not isinstance(item, Problem):
            record = item.record if isinstance(item, At) else item
            records[type(record).__name__].append(record)
    return shortcut, records, problems


def seconds(moment):
    """As LnkParse3 prints times."""
    return moment and moment.iso[:19] + "+00:00"


@pytest.fixture
def sample(corpus, request):
    path = f"artefacts/lnk/{request.param}.lnk"
    return parse(corpus.path(path).read_bytes()), corpus.manifest(path)["expected"]["LnkParse3"]


each = pytest.mark.parametrize("sample", LNKPARSE3, indirect=True)


@each
def test_header_is_what_lnkparse3_demands(sample):
    (shortcut, _, _), expected = sample
    header = expected["header"]
    assert seconds(shortcut.target_created) == header["creation_time"]
    assert seconds(shortcut.target_modified) == header["modified_time"]
    assert seconds(shortcut.target_accessed) == header["accessed_time"]
    assert list(shortcut.link_flags) == header["link_flags"]
    assert [f"FILE_ATTRIBUTE_{name}" for name in shortcut.attributes] == header["file_flags"]
    assert (shortcut.file_size, shortcut.icon_index) == (header["file_size"], header["icon_index"])
    assert shortcut.show == {"SW_SHOWNORMAL": "normal", "SW_SHOWMINNOACTIVE": "minimised"}[header["windowstyle"]]


@each
def test_strings_are_what_lnkparse3_demands(sample):
    (shortcut, _, _), expected = sample
    words = {
        "relative_path": shortcut.relative_path,
        "working_directory": shortcut.working_dir,
        "command_line_arguments": shortcut.arguments,
        "icon_location": shortcut.icon_location,
        "description": shortcut.description,
    }
    assert {name: text for name, text in words.items() if text} == expected["data"]


@each
def test_volume_is_what_lnkparse3_demands(sample):
    (shortcut, _, _), expected = sample
    place = expected["link_info"].get("location_info", {})
    if "drive_serial_number" not in place:
        assert shortcut.volume_serial == ""
        return
    assert f"0x{int(shortcut.volume_serial, 16):x}" == place["drive_serial_number"]
    assert shortcut.drive_type.upper() in place["drive_type"]
    # LnkParse3 reads labels of other code pages than ours as it can; those of ASCII must be equal.
    assert shortcut.volume_label == place["volume_label"] or not shortcut.volume_label.isascii()


@each
def test_file_items_are_what_lnkparse3_demands(sample):
    (_, records, _), expected = sample
    wanted = [item for item in expected["target"].get("items", []) if item["class"] == "File entry"]
    # LnkParse3 does not open the file entry inside a "Users files folder" item, which comes first.
    found = records["TargetItem"][-len(wanted) :] if wanted else []
    for record, item in zip(found, wanted, strict=True):
        # On sample6 LnkParse3 reads past the end of a Unicode name.
        assert (record.short_name or record.name)[:9] == item["primary_name"][:9]
        assert seconds(record.item_modified) == item["modification_time"]
        assert record.file_size == item["file_size"]


@each
def test_extra_blocks_are_what_lnkparse3_demands(sample):
    (shortcut, records, _), expected = sample
    extra = {name: block for name, block in expected["extra"].items() if name in BLOCK_NAMES}
    assert sorted(set(shortcut.extra_blocks) & set(BLOCKS.values())) == sorted(BLOCK_NAMES[name] for name in extra)
    unknown = [name for name in shortcut.extra_blocks if name.startswith("0x")]
    assert len(unknown) == len(expected["extra"].get("UNKNOWN_BLOCK", []))
    if tracker := extra.get("DISTRIBUTED_LINK_TRACKER_BLOCK"):
        (record,) = records["Tracker"]
        assert record.machine_id == tracker["machine_identifier"]
        assert record.volume_droid == tracker["droid_volume_identifier"].lower()
        assert record.file_droid == tracker["droid_file_identifier"].lower()
        assert record.birth_volume_droid == tracker["birth_droid_volume_identifier"].lower()
        assert record.birth_file_droid == tracker["birth_droid_file_identifier"].lower()
    if environment := extra.get("ENVIRONMENTAL_VARIABLES_LOCATION_BLOCK"):
        assert shortcut.environment_path == environment["target_unicode"]
    if folder := extra.get("KNOWN_FOLDER_LOCATION_BLOCK"):
        assert shortcut.known_folder == folder["known_folder_id"].lower()
    if special := extra.get("SPECIAL_FOLDER_LOCATION_BLOCK"):
        assert shortcut.special_folder == special["special_folder_id"]


@each
def test_properties_are_what_lnkparse3_demands(sample):
    (_, records, _), expected = sample
    stores = expected["extra"].get("METADATA_PROPERTIES_BLOCK", {}).get("property_store", [])
    wanted = [
        (store["format_id"].lower(), str(value["id"]), value["value_type"], value["value"])
        for store in stores
        for value in store["serialized_property_values"]
    ]
    # LnkParse3 gives values of text only.
    found = [
        (item.format_id, item.property_id, item.value_type, item.value if item.value_type == "VT_LPWSTR" else None)
        for item in records["LinkProperty"]
    ]
    assert found == wanted


@pytest.mark.parametrize(
    "path",
    # lnkinfo refused two of the files, so it has no paths for them.
    [*(f"lnk/{name}.lnk" for name in LNKPARSE3 if name not in ("extra_data", "padded_cli_arguments")), *OTHERS],
)
def test_paths_are_what_lnkinfo_prints(corpus, path):
    expected = corpus.manifest("artefacts/" + path)["expected"]["tools"]
    shortcut, _, _ = parse(corpus.path("artefacts/" + path).read_bytes())

    def shown(text):  # lnkinfo's output was stripped, of no-break spaces too
        return text.strip()

    assert shown(shortcut.local_path) == expected.get("local_path", "")
    assert shown(shortcut.network_path) == expected.get("network_path", "")
    assert shown(shortcut.relative_path) == expected.get("relative_path", "")
    assert shown(shortcut.working_dir) == expected.get("working_directory", "")
    assert shown(shortcut.arguments) == expected.get("arguments", "")
    assert f"{shortcut.file_size} bytes" == expected["file_size"]


def test_the_target_list_gives_the_path_that_plaso_demands(corpus):
    shortcut, records, problems = parse(corpus.path("artefacts/plaso/NeroInfoTool.lnk").read_bytes())
    assert shortcut.target_path == "C:\\Program Files (x86)\\Nero\\Nero 9\\Nero InfoTool\\InfoTool.exe"
    last = records["TargetItem"][-1]
    assert (last.name, last.mft_entry, last.mft_sequence) == ("InfoTool.exe", 81349, 1)
    assert last.item_accessed.iso == "2010-01-29T21:30:12Z"
    assert last.item_created.iso == last.item_modified.iso == "2009-06-05T20:13:20Z"
    assert (shortcut.volume_serial, shortcut.volume_label, shortcut.drive_type) == (f"{1894578739:08x}", "OS", "fixed")
    assert problems == []


def test_the_file_droid_gives_the_network_address_and_time_that_plaso_demands(corpus):
    _, records, _ = parse(corpus.path("artefacts/plaso/NeroInfoTool.lnk").read_bytes())
    (tracker,) = records["Tracker"]
    assert tracker.file_droid == "958705b5-0d19-11df-9fe4-705ab616a5f3"
    assert tracker.mac_address == "70:5a:b6:16:a5:f3"
    assert tracker.file_droid_made.iso == "2010-01-29T21:02:17.8401717Z"


def test_an_unpaired_surrogate_in_a_path_becomes_one_sign(corpus):
    shortcut, records, _ = parse(corpus.path("artefacts/plaso/unpaired_surrogate.lnk").read_bytes())
    assert shortcut.local_path == "C:\\test\\unicode_U+0000d800_\ufffd.exe"
    assert (records["TargetItem"][-1].mft_entry, records["TargetItem"][-1].mft_sequence) == (386618, 63)
    assert records["TargetItem"][-1].short_name == "UNICOD~1.EXE"


def test_what_is_appended_is_counted_and_hashed(corpus):
    shortcut, _, _ = parse(corpus.path("artefacts/lnk/unknown_target.lnk").read_bytes())
    # LnkParse3 counts the four bytes of the terminal block in.
    assert shortcut.appended_size == 67653 - 4
    assert len(shortcut.appended_sha256) == 64


def header(flags=0, **fields):
    values = {"created": 0, "accessed": 0, "modified": 0, "size": 0, "icon": 0, "show": 1, "hotkey": 0, **fields}
    return SIGNATURE + struct.pack("<IIQQQIiIH10s", flags, 0, *values.values(), b"")


def test_times_of_zero_are_none_and_a_hotkey_is_named():
    shortcut, _, problems = parse(header(hotkey=0x0643) + bytes(4))
    assert shortcut.target_created is None
    assert shortcut.hotkey == "CTRL+ALT+C"
    assert problems == []


def test_a_time_past_9999_is_noted_and_the_rest_kept():
    shortcut, _, problems = parse(header(created=2**63, modified=132293594918535169) + bytes(4))
    assert shortcut.target_created is None
    assert shortcut.target_modified.iso == "2020-03-22T14:04:51.8535169Z"
    assert [problem.message.split(":")[0] for problem in problems] == ["created time is damaged"]


def test_a_torn_link_keeps_what_was_read_and_names_the_damaged_part(corpus):
    data = corpus.path("artefacts/lnk/microsoft_example.lnk").read_bytes()
    shortcut, _, problems = parse(data[:290])
    assert shortcut.target_path == "C:\\test\\a.txt"
    assert shortcut.local_path == ""
    assert [(item.severity, item.error, item.message.split(" is")[0]) for item in problems] == [
        ("note", "damaged-part", "LinkInfo")
    ]


def test_a_link_with_less_than_a_header_is_damaged():
    with pytest.raises(Damaged):
        parse(header()[:70])


def test_a_string_longer_than_windows_reads_is_cut_as_windows_does(corpus):
    shortcut, _, problems = parse(corpus.path("artefacts/lnk/padded_cli_arguments.lnk").read_bytes())
    assert len(shortcut.working_dir) == 260
    assert shortcut.arguments.startswith('/c "set PATH=')
    assert "it counts 1693 characters" in problems[0].message


def test_a_share_without_path_is_the_network_path():
    info = struct.pack("<7I", 28 + 20 + 9, 28, 2, 0, 0, 28, 56) + struct.pack("<5I", 29, 2, 20, 0, 0x20000)
    shortcut, _, problems = parse(header(flags=2) + info + b"\\\\SRV\\D\0\0" + bytes(4))
    assert (shortcut.network_path, problems) == ("\\\\SRV\\D", [])


def test_unicode_names_of_a_volume_win_over_ansi_ones():
    # [MS-SHLLINK] 2.3.1: label offset 0x14 means that the offset of a Unicode label follows; 2.3: header of 0x24.
    label = "\u0434\u0438\u0441\u043a\0".encode("utf-16-le")
    path = "C:\\\u0444\0".encode("utf-16-le")
    volume = struct.pack("<5I", 20 + len(label), 3, 0x1234ABCD, 0x14, 20) + label
    at = 36 + len(volume)
    info = struct.pack("<9I", at + 4 + len(path) + 2, 36, 1, 36, at, 0, at + 3, at + 4, at + 4 + len(path))
    shortcut, _, problems = parse(header(flags=2) + info + volume + b"C:\\\0" + path + b"\0\0" + bytes(4))
    assert shortcut.volume_label == "\u0434\u0438\u0441\u043a"
    assert shortcut.local_path == "C:\\\u0444"
    assert (shortcut.volume_serial, shortcut.drive_type, problems) == ("1234abcd", "fixed", [])


def test_only_version_1_identifiers_have_a_time():
    import uuid

    assert uuid_time(uuid.UUID("94c77840-fa47-46c7-b356-5c2dc6b6d115")) is None
