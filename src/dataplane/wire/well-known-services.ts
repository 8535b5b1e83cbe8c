/**
 * Protocol and ports of WKS (RFC 1035 section 3.4.2): a number, and a bit for each port. Text may have the protocol and the ports
 * by name; we write numbers, as BIND does, so that no table of this machine has a say in it.
 */
import { type FieldKind, unsigned } from './rdata-fields.ts'
import { TextError } from './text-error.ts'

const protocol = unsigned(1, { ICMP: 1, TCP: 6, UDP: 17 })

/** The services that old zones name (RFC 1010 and its kin). */
const ports: ReadonlyMap<string, number> = new Map(
  Object.entries({
    echo: 7,
    discard: 9,
    systat: 11,
    daytime: 13,
    netstat: 15,
    qotd: 17,
    chargen: 19,
    'ftp-data': 20,
    ftp: 21,
    ssh: 22,
    telnet: 23,
    smtp: 25,
    time: 37,
    nameserver: 42,
    nicname: 43,
    whois: 43,
    domain: 53,
    bootps: 67,
    bootpc: 68,
    tftp: 69,
    gopher: 70,
    finger: 79,
    http: 80,
    www: 80,
    kerberos: 88,
    hostnames: 101,
    hostname: 101,
    'iso-tsap': 102,
    rtelnet: 107,
    pop2: 109,
    pop3: 110,
    sunrpc: 111,
    auth: 113,
    sftp: 115,
    nntp: 119,
    ntp: 123,
    'netbios-ns': 137,
    'netbios-dgm': 138,
    'netbios-ssn': 139,
    imap: 143,
    imap2: 143,
    snmp: 161,
    bgp: 179,
    ldap: 389,
    https: 443,
    imaps: 993,
    pop3s: 995,
  }),
)

export const wellKnownServices: FieldKind = {
  parse(tokens, out) {
    protocol.parse(tokens, out)
    const set: number[] = []
    while (!tokens.done) set.push(readPort(tokens.next().text))
    const bits = new Uint8Array(set.length === 0 ? 0 : (Math.max(...set) >> 3) + 1)
    for (const port of set) bits[port >> 3]! |= 0x80 >> (port & 7)
    out.append(bits)
  },
  // A final octet without bits would have no text, and the text no such octet.
  measure: (rdata, at) =>
    at < rdata.length && rdata.length - at <= 1 + 8192 && (rdata.length === at + 1 || rdata.at(-1) !== 0)
      ? rdata.length - at
      : -1,
  format(field) {
    const words = [field[0]!]
    for (let port = 0; port < 8 * (field.length - 1); port++) {
      if ((field[1 + (port >> 3)]! & (0x80 >> (port & 7))) !== 0) words.push(port)
    }
    return words.join(' ')
  },
}

function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : ports.get(text.toLowerCase())
  if (port === undefined || port > 65_535)
    throw new TextError(`"${text}" is no port, nor the name of a service`)
  return port
}
