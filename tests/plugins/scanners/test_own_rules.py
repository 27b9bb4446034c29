"""Our own YARA rules and keyword lists: each rule meets a sample that has it and one that only resembles it.

Samples are built here from the format documents that the rules name; see yara/witness.md.
"""

import gzip
import re
import struct
from pathlib import Path

import pytest

from tests.plugins.scanners.scanned import Piece, plans, prepared, scan

RULES = Path(__file__).resolve().parents[3] / "rules"
SQLITE = b"SQLite format 3\0" + bytes(84)
COMPOUND = bytes.fromhex("D0CF11E0A1B11AE1") + bytes(504)
ZIP_ENTRY = struct.Struct("<IHHHHHIIIHH")
RECOVERY = "-".join(["123456"] * 8)
# The EICAR string is not written out, so that no virus scanner takes this file for it.
EICAR = b"".join([b"X5O!P%@AP[4", b"\\PZX54(P^)7CC)7}$", b"EICAR-STANDARD-", b"ANTIVIRUS-TEST-FILE!", b"$H+H*"])


def entry(name, flags, data=b"x"):
    """A local file header of a ZIP archive (APPNOTE.TXT 4.3.7) and its data."""
    head = ZIP_ENTRY.pack(0x04034B50, 20, flags, 0, 0, 0, 0, len(data), len(data), len(name), 0)
    return head + name + data


def berkeley(*keys):
    """A Berkeley DB btree: its magic stands at 12 (db_page.h)."""
    return bytes(12) + bytes.fromhex("6231050009000000") + bytes(100) + b"\0".join(keys)


#: Rule: (a content it matches, a content that resembles it and does not match).
SAMPLES = {
    "LUKS_Header": (b"LUKS\xba\xbe\0\x02" + bytes(100), b"LUKS\xba\xbe\0\x03" + bytes(100)),
    "BitLocker_Volume": (b"\xeb\x58\x90-FVE-FS-" + bytes(500), b"-FVE-FS-" + bytes(500)),
    "BitLocker_Recovery_Key_Text": (
        f"BitLocker Drive Encryption recovery key\r\n\r\nRecovery Key:\r\n\t{RECOVERY}\r\n".encode("utf-16"),
        f"Order {RECOVERY[:-2]} for a BitLocker licence".encode(),
    ),
    "VeraCrypt_Configuration": (
        b'<?xml version="1.0"?>\n<VeraCrypt>\n <configuration>\n  <config key="CachePasswords">0</config>',
        b"<VeraCrypt> is a program for <configuration> of volumes",
    ),
    "ZIP_Encrypted_Entry": (entry(b"a", 0) + entry(b"b", 1), entry(b"a", 0) + entry(b"b", 8)),
    "SevenZip_AES": (
        bytes.fromhex("377ABCAF271C0004") + bytes(30) + bytes.fromhex("2406F10701"),
        bytes.fromhex("377ABCAF271C0004") + bytes(30) + bytes.fromhex("2303010105"),
    ),
    "Office_Encrypted_Package": (
        COMPOUND + "EncryptionInfo\0EncryptedPackage".encode("utf-16-le"),
        COMPOUND + b"EncryptionInfo EncryptedPackage",
    ),
    "PDF_Encrypted": (b"%PDF-1.4\ntrailer <</Encrypt 12 0 R>>", b"%PDF-1.4\n(/EncryptMetadata true)"),
    "Tool_Age_Encrypted": (b"age-encryption.org/v1\n-> X25519 abc\n", b"see age-encryption.org/v1\n"),
    "KeePass_Database": (bytes.fromhex("03D9A29A67FB4BB5"), bytes.fromhex("03D9A29A68FB4BB5")),
    "PGP_Private_Key_Block": (
        b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlIYE",
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME",
    ),
    "PEM_Private_Key": (b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl", b"-----BEGIN PUBLIC KEY-----\nMIIB"),
    "PuTTY_Private_Key": (
        b"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\n",
        b"A PuTTY-User-Key-File-3: has Private-Lines: in it",
    ),
    "Browser_Password_Export": (
        b"\xef\xbb\xbfname,url,username,password,note\r\n",
        b"id,name,url,username,password\r\n",
    ),
    "Bitcoin_Core_Wallet_BDB": (berkeley(b"\x04mkey", b"\x09bestblock"), berkeley(b"\x09bestblock")),
    "Bitcoin_Core_Wallet_SQLite": (
        SQLITE + b"CREATE TABLE main(key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL)" + b"\x10walletdescriptor",
        SQLITE + b"CREATE TABLE main(key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL)",
    ),
    "Electrum_Wallet": (
        b'{"seed_type": "segwit", "seed_version": 18, "wallet_type": "standard"}',
        b'{"seed_version": 18, "wallet_type": "unknown"}',
    ),
    "Ethereum_Keystore": (
        b'{"crypto":{"cipher":"aes-128-ctr","ciphertext":"00","kdf":"scrypt","mac":"00"},"version":3}',
        b'{"crypto":{"cipher":"aes-256-gcm","ciphertext":"00","kdf":"scrypt","mac":"00"},"version":3}',
    ),
    "Browser_Wallet_Vault": (
        rb'"KeyringController":{"vault":"{\"data\":\"aa\",\"iv\":\"bb\",\"salt\":\"cc\"}"}',
        rb'"vault":"{\"data\":\"aa\",\"iv\":\"bb\"}"',
    ),
    "Seed_Phrase_Text": (
        b"My seed phrase: 1. abandon 2. ability 3. able 4. about 5. above 6. absent 7. absorb 8. abstract\n"
        b"9. absurd 10. abuse 11. access 12. accident",
        b"Never give your seed phrase to anyone: not even to support.",
    ),
    "Onion_Address_V3": (
        f"http://{'abcdefghij234567' * 3}abcdefgh.onion/".encode("utf-16-le"),
        b"http://expyuzz4wqqyqhjn.onion/",
    ),
    "Tor_Onion_Service_Key": (
        b"== ed25519v1-secret: type0 ==\0\0\0" + bytes(64),
        b"== ed25519v1-public: type0 ==\0\0\0" + bytes(32),
    ),
    "Tor_Configuration": (
        b"SocksPort 9050\nHiddenServiceDir /var/lib/tor/hs/\nHiddenServicePort 80 127.0.0.1:80\n",
        b"# HiddenServiceDir /var/lib/tor/hs/\nSocksPort 9050\n",
    ),
    "OpenVPN_Profile": (
        b"client\ndev tun\nproto udp\nremote vpn.example.org 1194\n",
        b"dev tun\nclient\nlocal 1.2.3.4\n",
    ),
    "WireGuard_Profile": (
        b"[Interface]\nPrivateKey = " + b"A" * 43 + b"=\nAddress = 10.0.0.2/32\n\n[Peer]\n",
        b"[Interface]\nPublicKey = " + b"A" * 43 + b"=\n\n[Peer]\n",
    ),
    "AnyDesk_Configuration": (b"ad.anynet.alias=x@ad\nad.anynet.id=123456789\n", b"ad.anynet.idle=1\n"),
    "TeamViewer_Connection_Log": (
        b"123456789\tPC-1\t01-02-2024 10:11:12\t01-02-2024 10:20:00\tann\tRemoteControl\t"
        b"{01234567-89ab-cdef-0123-456789abcdef}\r\n",
        b"123456789\tPC-1\t01-02-2024 10:11:12\tann\tRemoteControl\r\n",
    ),
    "RustDesk_Configuration": (
        b"rendezvous_server = 'rs.example.org:21116'\nnat_type = 1\n",
        b"rendezvous_server = \n",
    ),
    "Office_Macros_Compound": (
        COMPOUND + "_VBA_PROJECT".encode("utf-16-le"),
        COMPOUND + "WordDocument".encode("utf-16-le"),
    ),
    "Office_Macros_OpenXML": (
        entry(b"[Content_Types].xml", 0) + entry(b"word/vbaProject.bin", 0),
        entry(b"[Content_Types].xml", 0) + entry(b"word/document.xml", 0),
    ),
    "PDF_JavaScript": (b"%PDF-1.5\n1 0 obj <</S /JavaScript /JS (app.alert(1))>>", b"%PDF-1.5\n(about JavaScript /JS)"),
    "PDF_Launch_Action": (
        b"%PDF-1.5\n1 0 obj <</S/Launch/F(cmd.exe)>>",
        b"%PDF-1.5\n1 0 obj <</S/URI/URI(x)>> (Launch)",
    ),
    "WhatsApp_Android_Messages": (
        SQLITE
        + b"CREATE TABLE message(_id INTEGER PRIMARY KEY AUTOINCREMENT, chat_row_id INTEGER)"
        + b"CREATE TABLE jid(_id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT)",
        SQLITE + b"CREATE TABLE message(_id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)",
    ),
    "WhatsApp_iOS_Messages": (
        SQLITE + b"CREATE TABLE ZWAMESSAGE ( Z_PK INTEGER )CREATE TABLE ZWACHATSESSION ( Z_PK INTEGER )",
        SQLITE + b"CREATE TABLE ZMESSAGE ( Z_PK INTEGER )",
    ),
    "WhatsApp_Encrypted_Backup_Key": (
        bytes.fromhex("ACED0005757200025B42ACF317F8060854E002000078700000008300010102") + bytes(120),
        bytes.fromhex("ACED00057372") + bytes(120),
    ),
    "Signal_Android_Database": (
        SQLITE + b"CREATE TABLE recipient (_id)CREATE TABLE thread (_id)CREATE TABLE signed_prekeys (_id)",
        SQLITE + b"CREATE TABLE recipient (_id)CREATE TABLE thread (_id)",
    ),
    "Signal_Desktop_Key": (b'{\n  "key": "' + b"0f" * 32 + b'"\n}', b'{"key": "not hexadecimal"}'),
    "Telegram_Android_Cache": (
        SQLITE
        + b"CREATE TABLE messages_v2(mid INTEGER, uid INTEGER)CREATE TABLE dialogs(did INTEGER PRIMARY KEY)"
        + b"CREATE TABLE enc_chats(uid INTEGER PRIMARY KEY)",
        SQLITE + b"CREATE TABLE dialogs(did INTEGER PRIMARY KEY)",
    ),
    "Telegram_Desktop_Data": (b"TDF$\x93\x2f\x49\x00", b"TDE$\x93\x2f\x49\x00"),
    "Apple_Backup_Manifest_Database": (
        SQLITE
        + b"CREATE TABLE Files (fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT, flags INTEGER, file BLOB)",
        SQLITE + b"CREATE TABLE Files (fileID INTEGER PRIMARY KEY, name TEXT)",
    ),
    "Apple_Backup_Manifest_Plist": (
        b"bplist00\xda\x5cBackupKeyBag\x5bIsEncrypted",
        b"bplist00\xda\x5bIsEncrypted\x59Lockdown!",
    ),
    "Android_Backup_Archive": (b"ANDROID BACKUP\n5\n1\nAES-256\n0011", b"ANDROID BACKUP\nhow to make one\n"),
    "Virtual_Disk": (bytes(1024) + b"conectix" + bytes(504), bytes(1024) + b"conectix" + bytes(505)),
    "Wiping_Tool_Traces": (r"Software\Sysinternals\SDelete".encode("utf-16-le"), b"Sysinternals Autoruns"),
    "Steganography_Tool_Traces": (b"usage: steghide embed -cf", b"stegosaurus"),
    "JPEG_With_Appended_Archive": (
        b"\xff\xd8\xff\xe0data\xff\xd9PK\x03\x04",
        b"\xff\xd8\xff\xe0data\xff\xd9 PK\x03\x04",
    ),
    "EICAR_Test_File": (EICAR, b" " + EICAR),
}
#: Further contents that a rule of several ways has to match.
OTHERS = {
    "Virtual_Disk": [
        b"KDMV\1\0\0\0",
        b"# Disk DescriptorFile\nversion=1",
        b"vhdxfile",
        bytes(64) + b"\x7f\x10\xda\xbe",
        b"QFI\xfb\0\0\0\3",
    ],
    "BitLocker_Recovery_Key_Text": [f"BitLocker-Wiederherstellungsschlüssel\n{RECOVERY}".encode()],
    "WhatsApp_Android_Messages": [
        SQLITE + b"CREATE TABLE messages (_id INTEGER PRIMARY KEY AUTOINCREMENT, key_remote_jid TEXT NOT NULL)"
    ],
    "Browser_Password_Export": [b'"url","username","password","httpRealm","formActionOrigin","guid"\r\n'],
    "Tor_Configuration": [
        b"UseBridges 1\nBridge obfs4 1.2.3.4:443 AA\n",
        b"DataDirectory /a\nGeoIPFile /b\n",
    ],
}


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    (plan,) = plans("yara", tmp_path_factory.mktemp("own"), rules=str(RULES / "yara"))
    return plan


@pytest.fixture(scope="module")
def scanner(plan):
    return prepared(plan)


def matched(scanner, data):
    hits, problems = scan(scanner, Piece(data))
    assert problems == []
    return {getattr(hit, "record", hit).rule for hit in hits}


def test_every_rule_has_samples_and_no_rule_is_slow(plan):
    assert sorted(item.text for item in plan.items) == sorted(SAMPLES)
    assert plan.problems == ()


@pytest.mark.parametrize("rule", sorted(SAMPLES))
def test_a_rule_matches_what_it_says_and_not_what_resembles_it(scanner, rule):
    positive, negative = SAMPLES[rule]
    for data in (positive, *OTHERS.get(rule, [])):
        assert rule in matched(scanner, data)
    assert rule not in matched(scanner, negative)


def test_every_rule_says_who_what_where_when_and_which_version(scanner):
    for rule, (positive, _) in SAMPLES.items():
        records = [getattr(hit, "record", hit) for hit in scan(scanner, Piece(positive))[0]]
        (meta,) = (record.meta for record in records if record.rule == rule)
        assert set(meta) == {"author", "description", "reference", "date", "version"}
        assert meta["author"] == "forensic-kit"
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", meta["date"])


def test_files_of_the_corpus_have_the_rule_of_the_kind_that_the_manifest_states(scanner, corpus):
    # The format of each is the manifest's; the last three are named by the projects they come from.
    kinds = {"BitLocker volume": "BitLocker_Volume", "LUKS volume": "LUKS_Header"}
    expected = {name: kinds[row["format"]] for name, row in corpus.entries.items() if row["format"] in kinds}
    expected |= {
        "images/qcow2/ext2.qcow2": "Virtual_Disk",
        "images/vdi/basic.vdi.gz": "Virtual_Disk",
        "images/vhd/ext2.vhd": "Virtual_Disk",
        "images/vmdk/ext2.vmdk": "Virtual_Disk",
        "rules/eicar/eicar.com": "EICAR_Test_File",
        "artefacts/android/mvt_backup/backup.ab": "Android_Backup_Archive",
        "artefacts/plaso/teamviewer/connections_incoming.txt": "TeamViewer_Connection_Log",
        "keywords/bulk_extractor/Data/bitlocker.tar": "BitLocker_Recovery_Key_Text",
    }
    assert len(expected) > 15
    for name, rule in expected.items():
        opener = gzip.open if name.endswith(".gz") else open
        with opener(corpus.path(name), "rb") as file:
            assert rule in matched(scanner, file.read(1 << 20)), name


def test_the_eicar_string_is_written_out_in_no_file_of_ours():
    for path in (*RULES.rglob("*.yar"), Path(__file__)):
        assert EICAR[:40] not in path.read_bytes(), path


@pytest.mark.parametrize("path", sorted((RULES / "keywords").iterdir()), ids=lambda path: path.name)
def test_every_list_of_ours_is_searched_in_full(tmp_path, path):
    (plan,) = plans("keywords", tmp_path, lists=str(path))
    assert plan.problems == ()
    assert len(plan.items) > 10


def test_the_addresses_in_our_lists_are_found(tmp_path):
    scanner = prepared(plans("keywords", tmp_path, lists=str(RULES / "keywords" / "crypto-currency.txt"))[0])
    # The first block's address, BIP173's first example, EIP-55's first example.
    addresses = [
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    ]
    hits, _ = scan(scanner, Piece(" ".join(addresses).encode("utf-16-le")))
    assert [bytes.fromhex(hit.record.matched).decode("utf-16-le") for hit in hits] == addresses
