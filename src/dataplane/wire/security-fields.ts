/** Fields and checks of the types of DNSSEC, DANE, SSH and certificates. */
import { bigEndian, fixed, toNumber, unsigned } from './rdata-fields.ts'

/** IANA "DNS Security Algorithm Numbers", of which text may have the mnemonic (RFC 4034 appendix A.1). */
export const algorithm = unsigned(1, {
  RSAMD5: 1,
  DH: 2,
  DSA: 3,
  RSASHA1: 5,
  'DSA-NSEC3-SHA1': 6,
  'RSASHA1-NSEC3-SHA1': 7,
  RSASHA256: 8,
  RSASHA512: 10,
  'ECC-GOST': 12,
  ECDSAP256SHA256: 13,
  ECDSAP384SHA384: 14,
  ED25519: 15,
  ED448: 16,
  INDIRECT: 252,
  PRIVATEDNS: 253,
  PRIVATEOID: 254,
})

/** RFC 4398 section 2.1. */
export const certificateType = unsigned(2, {
  PKIX: 1,
  SPKI: 2,
  PGP: 3,
  IPKIX: 4,
  ISPKI: 5,
  IPGP: 6,
  ACPKIX: 7,
  IACPKIX: 8,
  URI: 253,
  OID: 254,
})

/** Time of a signature: `YYYYMMDDHHmmSS` in UTC, or seconds since 1970 (RFC 4034 section 3.2). */
export const moment = fixed(
  4,
  'a time such as 20260131235959',
  (text) => {
    if (/^\d{1,10}$/.test(text)) return Number(text) > 0xffff_ffff ? null : bigEndian(Number(text), 4)
    const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(text)?.slice(1).map(Number)
    if (parts === undefined) return null
    const [year, month, day, hour, minute, second] = parts as [number, number, number, number, number, number]
    const seconds = Date.UTC(year, month - 1, day, hour, minute, second) / 1000
    // Date.UTC carries what is out of range, such as the 31st of a short month, so the way back shows it.
    if (seconds < 0 || seconds > 0xffff_ffff || formatMoment(seconds) !== text) return null
    return bigEndian(seconds, 4)
  },
  (field) => formatMoment(toNumber(field)),
)

function formatMoment(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 19).replace(/[-:T]/g, '')
}

/** A digest should have the length that its kind, the octet at `at`, has; kinds that we don't know may have any. */
function digestLength(at: number, digestAt: number, lengths: Readonly<Record<number, number>>) {
  return (rdata: Uint8Array) => {
    const expected = lengths[rdata[at]!]
    const found = rdata.length - digestAt
    return expected === undefined || expected === found
      ? null
      : `${found} octets of digest, where its kind ${rdata[at]} has ${expected}`
  }
}

/** RFC 3658, 4509, 5933 and 6605. */
export const dsDigest = digestLength(3, 4, { 1: 20, 2: 32, 3: 32, 4: 48 })
/** RFC 4255 and 6594. */
export const sshDigest = digestLength(1, 2, { 1: 20, 2: 32 })
/** RFC 6698 section 2.1.3. */
export const tlsaDigest = digestLength(2, 3, { 1: 32, 2: 64 })
/** RFC 8976 section 2.2.3. */
export const zoneDigest = digestLength(5, 6, { 1: 48, 2: 64 })
