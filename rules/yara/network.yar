/*
    Anonymity networks, virtual private networks and remote control.

    Part of forensic-kit, Apache-2.0. A match says what a file looks like, never what it was used for.
*/

rule Onion_Address_V3 : anonymity {
    meta:
        author = "forensic-kit"
        description = "Address of a Tor onion service, version 3"
        reference = "https://spec.torproject.org/rend-spec/encoding-onion-addresses.html"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $address = /[a-z2-7]{56}\.onion/ ascii wide nocase
    condition:
        $address
}

rule Tor_Onion_Service_Key : anonymity {
    meta:
        author = "forensic-kit"
        description = "Secret key of a Tor onion service: the service was run from here"
        reference = "https://spec.torproject.org/rend-spec/"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $head = "== ed25519v1-secret: type0 =="
    condition:
        $head at 0
}

rule Tor_Configuration : anonymity {
    meta:
        author = "forensic-kit"
        description = "Settings of a Tor client or of an onion service"
        reference = "https://2019.www.torproject.org/docs/tor-manual.html"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $service = /(^|\n)HiddenServiceDir [^\n]{1,200}/
        $port = /(^|\n)HiddenServicePort [0-9]{1,5}/
        $geoip = /(^|\n)GeoIPFile [^\n]{1,200}/
        $data = /(^|\n)DataDirectory [^\n]{1,200}/
        $bridge = /(^|\n)Bridge (obfs4|snowflake|meek_lite|webtunnel) /
    condition:
        filesize < 1MB and ($service and $port or $geoip and $data or $bridge)
}

rule OpenVPN_Profile : vpn {
    meta:
        author = "forensic-kit"
        description = "Connection profile of OpenVPN"
        reference = "https://openvpn.net/community-resources/reference-manual-for-openvpn-2-6/"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $remote = /(^|\n)remote [^\s]{1,255}( [0-9]{1,5})?/
        $dev = /(^|\n)dev (tun|tap)/
        $client = /(^|\n)(client|tls-client|auth-user-pass|<ca>)/
    condition:
        filesize < 1MB and all of them
}

rule WireGuard_Profile : vpn {
    meta:
        author = "forensic-kit"
        description = "Connection profile of WireGuard with its private key"
        reference = "https://man7.org/linux/man-pages/man8/wg.8.html"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $interface = "[Interface]"
        $key = /PrivateKey {0,4}= {0,4}[A-Za-z0-9+\/]{43}=/
        $peer = "[Peer]"
    condition:
        filesize < 1MB and all of them
}

rule AnyDesk_Configuration : remote_access {
    meta:
        author = "forensic-kit"
        description = "Settings of AnyDesk: the machine could be controlled from afar"
        reference = "https://support.anydesk.com (system.conf, user.conf)"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $id = "ad.anynet.id="
        $certificate = "ad.anynet.cert="
        $hash = "ad.anynet.pwd_hash="
        $roster = "ad.roster.items="
    condition:
        filesize < 5MB and any of them
}

rule TeamViewer_Connection_Log : remote_access {
    meta:
        author = "forensic-kit"
        description = "Log of incoming connections of TeamViewer: partner, times, user, kind, id"
        reference = "https://www.teamviewer.com (Connections_incoming.txt)"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $line = /[0-9]{6,10}\t[^\t\r\n]{1,100}\t[0-9]{2}-[0-9]{2}-[0-9]{4} [0-9:]{8}\t[0-9]{2}-[0-9]{2}-[0-9]{4} [0-9:]{8}\t[^\t\r\n]{0,100}\t(RemoteControl|FileTransfer|Meeting)\t\{[0-9a-f-]{36}\}/ nocase
    condition:
        $line
}

rule RustDesk_Configuration : remote_access {
    meta:
        author = "forensic-kit"
        description = "Settings of RustDesk: identity and rendezvous server"
        reference = "https://rustdesk.com/docs/en/self-host/client-configuration/"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $server = /rendezvous_server = '[^'\n]{1,255}'/
        $identity = /(^|\n)enc_id = '/
        $pair = /(^|\n)key_pair = \[/
    condition:
        filesize < 1MB and any of them
}
