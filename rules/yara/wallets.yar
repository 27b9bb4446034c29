/*
    Wallets of crypto-currencies and the words that restore them.

    Part of forensic-kit, Apache-2.0. A match says what a file looks like, never what it was used for.
*/

rule Bitcoin_Core_Wallet_BDB : wallet {
    meta:
        author = "forensic-kit"
        description = "wallet.dat of Bitcoin Core or a coin derived from it (Berkeley DB)"
        reference = "https://github.com/bitcoin/bitcoin/blob/master/doc/files.md"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $bdb = { 62 31 05 00 09 00 00 00 }
        $key = "\x04ckey"
        $master = "\x04mkey"
        $plain = "\x03key"
        $default = "\x0adefaultkey"
        $best = "\x09bestblock"
    condition:
        $bdb at 12 and 2 of ($key, $master, $plain, $default, $best)
}

rule Bitcoin_Core_Wallet_SQLite : wallet {
    meta:
        author = "forensic-kit"
        description = "Descriptor wallet of Bitcoin Core (SQLite)"
        reference = "https://github.com/bitcoin/bitcoin/blob/master/src/wallet/sqlite.cpp"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $sqlite = "SQLite format 3\x00"
        $table = "CREATE TABLE main(key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL)"
        $key = "walletdescriptor"
    condition:
        $sqlite at 0 and $table and $key
}

rule Electrum_Wallet : wallet {
    meta:
        author = "forensic-kit"
        description = "Wallet file of Electrum, not encrypted as a whole"
        reference = "https://github.com/spesmilo/electrum/blob/master/electrum/wallet_db.py"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $version = /"seed_version": ?[0-9]{1,3}/
        $type = /"wallet_type": ?"(standard|2fa|imported|[0-9]{1,2}of[0-9]{1,2}|old)"/
    condition:
        $version and $type
}

rule Ethereum_Keystore : wallet {
    meta:
        author = "forensic-kit"
        description = "Ethereum key file, version 3"
        reference = "https://ethereum.org/en/developers/docs/data-structures-and-encoding/web3-secret-storage/"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $cipher = /"cipher" ?: ?"aes-128-ctr"/
        $kdf = /"kdf" ?: ?"(scrypt|pbkdf2)"/
        $text = "\"ciphertext\""
        $mac = "\"mac\""
    condition:
        all of them
}

rule Browser_Wallet_Vault : wallet {
    meta:
        author = "forensic-kit"
        description = "Encrypted vault of a browser wallet such as MetaMask, in its extension storage"
        reference = "https://github.com/MetaMask/KeyringController"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $vault = "vault"
        $data = "{\\\"data\\\":\\\""
        $iv = "\\\"iv\\\":\\\""
        $salt = "\\\"salt\\\":\\\""
    condition:
        all of them
}

rule Seed_Phrase_Text : wallet {
    meta:
        author = "forensic-kit"
        description = "Words such as seed phrase followed by 12 or more short words, as BIP39 phrases are written down"
        reference = "https://github.com/bitcoin/bips/blob/master/bip-0039.mediawiki"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $phrase = /(seed|recovery|mnemonic|backup|secret)[ _-]?(phrase|words|seed)[^a-z0-9]{1,8}([0-9]{1,2}[.:)] {0,2})?([a-z]{3,8}[ ,;\r\n]{1,3}([0-9]{1,2}[.:)] {0,2})?){11}[a-z]{3,8}/ nocase
    condition:
        $phrase
}
