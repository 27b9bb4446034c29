/*
    Keys and passwords that open other things.

    Part of forensic-kit, Apache-2.0. A match says what a file looks like, never what it was used for.
*/

rule KeePass_Database : credential {
    meta:
        author = "forensic-kit"
        description = "Password database of KeePass 1 or 2"
        reference = "https://keepass.info/help/kb/kdbx.html"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $magic = { 03 D9 A2 9A ( 65 | 66 | 67 ) FB 4B B5 }
    condition:
        $magic at 0
}

rule PGP_Private_Key_Block : credential {
    meta:
        author = "forensic-kit"
        description = "Armoured OpenPGP secret key"
        reference = "RFC 9580, section 6.2.1"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $begin = "-----BEGIN PGP PRIVATE KEY BLOCK-----"
    condition:
        $begin
}

rule PEM_Private_Key : credential {
    meta:
        author = "forensic-kit"
        description = "Private key in PEM: OpenSSH, RSA, EC, DSA or PKCS #8"
        reference = "RFC 7468; https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $begin = /-----BEGIN (OPENSSH |RSA |EC |DSA |ENCRYPTED )?PRIVATE KEY-----\r?\n/
    condition:
        $begin
}

rule PuTTY_Private_Key : credential {
    meta:
        author = "forensic-kit"
        description = "Private key of PuTTY, versions 2 and 3"
        reference = "https://the.earth.li/~sgtatham/putty/0.81/htmldoc/AppendixC.html"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $head = /PuTTY-User-Key-File-[23]: /
        $private = "Private-Lines: "
    condition:
        $head at 0 and $private
}

rule Browser_Password_Export : credential {
    meta:
        author = "forensic-kit"
        description = "Passwords written out by a browser as CSV: the header row of Chromium or Firefox"
        reference = "https://www.chromium.org; https://support.mozilla.org/kb/export-login-data-firefox"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $chromium = "name,url,username,password"
        $firefox = "\"url\",\"username\",\"password\",\"httpRealm\",\"formActionOrigin\""
    condition:
        $chromium at 0 or $firefox at 0 or (uint16be(0) == 0xEFBB and ($chromium at 3 or $firefox at 3))
}
