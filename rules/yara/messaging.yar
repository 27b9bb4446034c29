/*
    Databases and keys of messengers.

    Part of forensic-kit, Apache-2.0. A match says what a file looks like, never what it was used for.
*/

rule WhatsApp_Android_Messages : messenger {
    meta:
        author = "forensic-kit"
        description = "Message database of WhatsApp for Android (msgstore.db), old or new schema"
        reference = "Schema as seen in Android test images"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $sqlite = "SQLite format 3\x00"
        $old = /CREATE TABLE messages ?\(_id INTEGER PRIMARY KEY AUTOINCREMENT, ?key_remote_jid TEXT/
        $new1 = /CREATE TABLE message ?\(_id INTEGER PRIMARY KEY AUTOINCREMENT/
        $new2 = /CREATE TABLE jid ?\(_id INTEGER PRIMARY KEY AUTOINCREMENT/
        $new3 = "chat_row_id"
    condition:
        $sqlite at 0 and ($old or all of ($new*))
}

rule WhatsApp_iOS_Messages : messenger {
    meta:
        author = "forensic-kit"
        description = "Message database of WhatsApp for iOS (ChatStorage.sqlite)"
        reference = "Schema as seen in iOS test images"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $sqlite = "SQLite format 3\x00"
        $message = "CREATE TABLE ZWAMESSAGE"
        $session = "CREATE TABLE ZWACHATSESSION"
    condition:
        $sqlite at 0 and $message and $session
}

rule WhatsApp_Encrypted_Backup_Key : credential messenger {
    meta:
        author = "forensic-kit"
        description = "Key file of WhatsApp for Android that opens crypt12 and crypt14 backups"
        reference = "https://github.com/ElDavoo/wa-crypt-tools"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $java = { AC ED 00 05 75 72 00 02 5B 42 AC F3 17 F8 06 08 54 E0 02 00 00 78 70 }
    condition:
        filesize < 1KB and $java at 0
}

rule Signal_Android_Database : messenger {
    meta:
        author = "forensic-kit"
        description = "Decrypted message database of Signal for Android"
        reference = "https://github.com/signalapp/Signal-Android"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $sqlite = "SQLite format 3\x00"
        $recipient = "CREATE TABLE recipient"
        $thread = "CREATE TABLE thread"
        $keys = /CREATE TABLE (signed|one_time|kyber)_prekeys?/
    condition:
        $sqlite at 0 and all of them
}

rule Signal_Desktop_Key : credential messenger {
    meta:
        author = "forensic-kit"
        description = "config.json of Signal Desktop, which holds the key of its database, in clear or wrapped by the system"
        reference = "https://github.com/signalapp/Signal-Desktop"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $key = /"(key|encryptedKey)" ?: ?"[0-9a-f]{64,2000}"/
    condition:
        filesize < 16KB and uint8(0) == 0x7B and $key
}

rule Telegram_Android_Cache : messenger {
    meta:
        author = "forensic-kit"
        description = "Message cache of Telegram for Android (cache4.db)"
        reference = "https://github.com/DrKLO/Telegram (MessagesStorage)"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $sqlite = "SQLite format 3\x00"
        $messages = /CREATE TABLE messages(_v2)?\(mid INTEGER/
        $dialogs = "CREATE TABLE dialogs(did INTEGER"
        $secret = "CREATE TABLE enc_chats(uid INTEGER"
    condition:
        $sqlite at 0 and all of them
}

rule Telegram_Desktop_Data : messenger {
    meta:
        author = "forensic-kit"
        description = "File of Telegram Desktop's tdata folder"
        reference = "https://github.com/telegramdesktop/tdesktop (storage/details/storage_file_utilities)"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $magic = "TDF$"
    condition:
        $magic at 0
}
