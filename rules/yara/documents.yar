/*
    Documents with active content.

    Part of forensic-kit, Apache-2.0. A match says what a file looks like, never what it was used for.
*/

rule Office_Macros_Compound : macro {
    meta:
        author = "forensic-kit"
        description = "Compound file with a VBA project: Word, Excel or PowerPoint 97 to 2003"
        reference = "[MS-OVBA] 2.2.1"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $project = "_VBA_PROJECT" wide
    condition:
        uint32be(0) == 0xD0CF11E0 and uint32be(4) == 0xA1B11AE1 and $project
}

rule Office_Macros_OpenXML : macro {
    meta:
        author = "forensic-kit"
        description = "Office Open XML document with a VBA project"
        reference = "ECMA-376 part 2 (packages); [MS-OVBA]"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $types = "[Content_Types].xml"
        $project = /(word|xl|ppt)\/vbaProject\.bin/
    condition:
        uint32be(0) == 0x504B0304 and all of them
}

rule PDF_JavaScript : active_content {
    meta:
        author = "forensic-kit"
        description = "PDF with JavaScript that is not compressed away"
        reference = "ISO 32000-1:2008, 12.6.4.16"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $action = /\/S[ \r\n]{0,4}\/JavaScript/
        $names = /\/JavaScript[ \r\n]{1,4}[0-9]{1,8} [0-9]{1,5} R/
        $code = /\/JS[ \r\n]{0,4}[(<0-9]/
    condition:
        uint32be(0) == 0x25504446 and $code and ($action or $names)
}

rule PDF_Launch_Action : active_content {
    meta:
        author = "forensic-kit"
        description = "PDF that starts a program or opens a file"
        reference = "ISO 32000-1:2008, 12.6.4.5"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $action = /\/S[ \r\n]{0,4}\/Launch/
    condition:
        uint32be(0) == 0x25504446 and $action
}
