/** How a zone is signed, in the document: `dnssec: { enabled: true, algorithm: 13, denial: nsec3 }`. */

import { isIP } from 'node:net'
import Type from 'typebox'
import { rootName } from '../../dataplane/wire/name.ts'
import { formatRdata, parseRdata, parseType } from '../../dataplane/wire/rdata.ts'
import {
  type Denial,
  denials,
  keyLayouts,
  plainSigning,
  type SigningAlgorithm,
  signingAlgorithms,
  type ZoneSigning,
} from '../model/dnssec.ts'
import { Duration, Plain, TextAs, TrueOrFalse, Words } from './fields.ts'
import { converted, type Form, fieldsOf, list, record } from './forms.ts'

const Algorithm: Form<SigningAlgorithm> = Plain(
  Type.Union(
    signingAlgorithms.map((number) => Type.Literal(number)),
    { description: '13 (ECDSA P-256) or 15 (Ed25519)' },
  ),
)

const DenialForm: Form<Denial> = Plain(
  Type.Union(
    denials.map((denial) => Type.Literal(denial)),
    { description: 'nsec, or nsec3, which hides the names of the zone' },
  ),
)

/** From a second, for zones that are tried out, to what TTLs are capped by anyway. */
const SigningSeconds: Form<number> = converted(
  Duration(1000, plainSigning.maxTtlSeconds * 1000),
  (ms) => Math.ceil(ms / 1000),
  (seconds) => seconds * 1000,
)

const ParentServer = TextAs('an address and a port, such as 192.0.2.53:53 or [2001:db8::53]:53', (text) => {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? []
  const isAddress = bracketed === undefined ? isIP(plain ?? '') === 4 : isIP(bracketed) === 6
  return isAddress && Number(port) > 0 && Number(port) < 65_536 ? text : null
})
const ParentServers = list(ParentServer, { maxItems: 16 })

/** RDATA of a DNSKEY of a zone key (RFC 4034 section 2.1.1). */
const ForeignKey = TextAs('the RDATA of a DNSKEY, such as 256 3 13 and its key in base64', (text) => {
  const dnskey = parseType('DNSKEY')
  try {
    const rdata = parseRdata('DNSKEY', text, rootName)
    return (rdata[0]! & 1) === 1 && rdata[2] === 3 ? formatRdata(dnskey, rdata) : null
  } catch {
    return null
  }
})
const ForeignKeys = list(ForeignKey, { maxItems: 8 })

interface Written extends Omit<ZoneSigning, 'denial'> {
  readonly enabled: boolean
  readonly denial: Denial
}

const signing = fieldsOf<Written>()
const written = record(
  {
    enabled: signing.shown('enabled', TrueOrFalse, true),
    algorithm: signing.shown('algorithm', Algorithm, plainSigning.algorithm),
    denial: signing.optional('denial', DenialForm, 'nsec'),
    keys: signing.optional('keys', Words(keyLayouts), plainSigning.keys),
    maxTtl: signing.optional('maxTtlSeconds', SigningSeconds, plainSigning.maxTtlSeconds),
    propagation: signing.optional('propagationSeconds', SigningSeconds, plainSigning.propagationSeconds),
    parentServers: signing.optional('parentServers', ParentServers, plainSigning.parentServers),
    foreignKeys: signing.optional('foreignKeys', ForeignKeys, plainSigning.foreignKeys),
    bootstrap: signing.optional('bootstrap', TrueOrFalse, plainSigning.bootstrap),
  },
  {
    title: 'Dnssec',
    description: 'an object with enabled, algorithm, denial, keys and the times of rollovers',
  },
)

/** `enabled: false` is the same as nothing. */
export const SigningForm: Form<ZoneSigning | null> = {
  schema: written.schema,
  parse: (input, path, problems) => {
    const found = written.parse(input, path, problems)
    if (found === undefined) return undefined
    if (!found.enabled) return null
    const { enabled: _, denial, ...said } = found
    return denial === 'nsec' ? said : { ...said, denial }
  },
  format: (value, whole) =>
    value === null ? { enabled: false } : written.format({ enabled: true, denial: 'nsec', ...value }, whole),
}
