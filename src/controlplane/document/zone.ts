/** Zones and their RRsets in the document. */
import Type from 'typebox'
import {
  formatName,
  hostnameToWire,
  isSubdomain,
  lowerName,
  parseName,
  relativeName,
} from '../../dataplane/wire/name.ts'
import { formatRdata, parseRdata, parseType, rdataIdentity, typeName } from '../../dataplane/wire/rdata.ts'
import { TextError } from '../../dataplane/wire/text-error.ts'
import type { Problem } from '../model/errors.ts'
import type { Rrset, Soa, Zone, ZoneHead } from '../model/zone.ts'
import { isMadeBySigning, madeBySigning } from '../rules/signing.ts'
import { checkRrset, checkZone, type RrsetKey } from '../rules/zone-data.ts'
import { SigningForm } from './dnssec.ts'
import { AbsoluteName, Plain, readHostname, reading, Seconds, Whole } from './fields.ts'
import type { Body, Form, ParseNamed, RecordForm } from './forms.ts'
import { apart, fieldsOf, ignored, list, record } from './forms.ts'
import { joinPath } from './path.ts'
import { isMap, maxProblems, show } from './schema-check.ts'

const soa = fieldsOf<Soa>()
const SoaForm: Form<Soa> = record(
  {
    mname: soa.required('mname', AbsoluteName),
    rname: soa.required('rname', AbsoluteName),
    serial: soa.optional('fixedSerial', Whole(0, 4_294_967_295), null),
    refresh: soa.shown('refreshSeconds', Seconds, 3600),
    retry: soa.shown('retrySeconds', Seconds, 600),
    expire: soa.shown('expireSeconds', Seconds, 14 * 86_400),
    minimum: soa.shown('minimumSeconds', Seconds, 60),
  },
  {
    title: 'Soa',
    description: 'an object with mname, rname, the times of the SOA and, to fix it, the serial',
  },
)

const rrset = fieldsOf<Rrset>()
const AnyText = Plain<string>(Type.String())
const contents = {
  ttl: rrset.optional('ttlSeconds', Seconds, null),
  // More RDATA than this never fits a message of 65,535 octets.
  data: rrset.required(
    'data',
    list(Plain<string>(Type.String({ description: 'RDATA as text' })), { minItems: 1, maxItems: 4096 }),
  ),
}
const rrsetForm: RecordForm<Omit<Rrset, 'owner' | 'type'>> = record(
  { ...contents, status: ignored },
  { title: 'RRset', description: 'an object with the fields of an RRset' },
)
const zoneRrsetForm: RecordForm<Rrset> = record(
  { name: rrset.required('owner', AnyText), type: rrset.required('type', AnyText), ...contents },
  { title: 'NamedRRset', description: 'an object with name, type, ttl and data' },
)
export const RrsetSchema = rrsetForm.schema
export const ZoneRrsetSchema = zoneRrsetForm.schema

const zone = fieldsOf<Zone>()
const headForm: RecordForm<Omit<ZoneHead, 'apex'>> = record(
  {
    soa: zone.required('soa', SoaForm),
    ttl: zone.shown('ttlSeconds', Seconds, 300),
    dnssec: zone.optional('dnssec', SigningForm, null),
    // They are relative to the apex: `parseRrsets`.
    rrsets: apart(Type.Array(ZoneRrsetSchema)),
    status: ignored,
  },
  { title: 'Zone', description: 'an object with the fields of a zone' },
)
export const ZoneSchema = headForm.schema

/** The zone that a fragment describes; null, and every problem reported, when it is not one. */
export const parseZone: ParseNamed<Zone> = (apexText, input, path, problems) => {
  const before = problems.length
  const apex = readHostname(apexText, path, problems)
  const head = headForm.parse(input, path, problems)
  if (apex === null || !isMap(input)) return null
  const at = joinPath(path, 'rrsets')
  const read = parseRrsets(hostnameToWire(apex), input.rrsets ?? [], at, problems)
  const rrsets = read.map(({ rrset }) => rrset)
  // Those that could be read may be in each other's way, whatever is wrong with the rest.
  for (const { index, message } of checkZone({ apex, rrsets })) {
    problems.push({ path: joinPath(at, read[index]!.index), message })
  }
  if (head?.dnssec != null) {
    for (const { rrset, index } of read.filter(({ rrset }) => isMadeBySigning(rrset.type))) {
      problems.push({ path: joinPath(at, index), message: madeBySigning(rrset.owner, rrset.type) })
    }
  }
  return head === undefined || problems.length > before ? null : { apex, ...head, rrsets }
}

/**
 * The RRset of an owner and type, whose fragment is `{ ttl, data }`; null, and every problem reported, when it is not
 * one. The owner may be relative, `@` or absolute. Problems of the key have the paths `owner` and `type`.
 */
export function parseRrset(
  apex: string,
  key: RrsetKey,
  input: unknown,
  path: string,
  problems: Problem[],
): Rrset | null {
  const before = problems.length
  const { ttlSeconds = null, data: texts } = rrsetForm.read(input, path, problems)
  const identity = parseRrsetKey(apex, key, problems)
  if (identity === null || texts === undefined) return null
  const dataAt = joinPath(path, 'data')
  const data = readData(hostnameToWire(apex), identity.type, texts, dataAt, problems)
  if (problems.length > before) return null
  const rrset = { ...identity, ttlSeconds, data }
  for (const message of checkRrset(apex, rrset)) problems.push({ path: dataAt, message })
  return problems.length > before ? null : rrset
}

/** Owner and type as the model has them; null and problems otherwise. */
export function parseRrsetKey(apex: string, key: RrsetKey, problems: Problem[]): RrsetKey | null {
  return readKey(hostnameToWire(apex), key, { owner: 'owner', type: 'type' }, problems)
}

/** The RRsets that could be read, each with its place in the list. */
function parseRrsets(
  origin: Uint8Array,
  input: unknown,
  path: string,
  problems: Problem[],
): { readonly rrset: Rrset; readonly index: number }[] {
  if (!Array.isArray(input)) {
    problems.push({ path, message: `must be a list, not ${show(input)}` })
    return []
  }
  const seen = new Map<string, number>()
  const rrsets: { rrset: Rrset; index: number }[] = []
  for (const [index, body] of input.entries()) {
    if (problems.length >= maxProblems) break
    const at = joinPath(path, index)
    const { owner, type, data: texts, ttlSeconds = null } = zoneRrsetForm.read(body, at, problems)
    if (owner === undefined || type === undefined || texts === undefined) continue
    const paths = { owner: joinPath(at, 'name'), type: joinPath(at, 'type') }
    const identity = readKey(origin, { owner, type }, paths, problems)
    if (identity === null) continue
    const key = `${identity.owner} ${identity.type}`
    const first = seen.get(key)
    const data = readData(origin, identity.type, texts, joinPath(at, 'data'), problems)
    if (first === undefined) {
      seen.set(key, index)
      rrsets.push({ rrset: { ...identity, ttlSeconds, data }, index })
    } else problems.push({ path: at, message: `${key} is already in ${joinPath(path, first)}` })
  }
  return rrsets
}

function readKey(
  origin: Uint8Array,
  key: RrsetKey,
  paths: { readonly owner: string; readonly type: string },
  problems: Problem[],
): RrsetKey | null {
  const type = readType(key.type, paths.type, problems)
  const owner = reading(paths.owner, problems, () => {
    const wire = lowerName(parseName(key.owner, origin))
    if (!isSubdomain(wire, origin)) {
      throw new TextError(`owner ${show(key.owner)} is outside of the zone ${formatName(origin)}`)
    }
    return relativeName(wire, origin)
  })
  return owner === null || type === null ? null : { owner, type }
}

/** Canonical spelling of a type: its mnemonic, or `TYPE123` for one without a name here. */
function readType(text: string, path: string, problems: Problem[]): string | null {
  const type = reading(path, problems, () => typeName(parseType(text)))
  if (type !== 'SOA') return type
  problems.push({ path, message: "SOA is not an RRset of its own here: it is the zone's field soa" })
  return null
}

/** Canonical RDATA texts: absolute names, one way to quote. Two of the same RR are a problem (RFC 2181 section 5). */
function readData(
  origin: Uint8Array,
  type: string,
  texts: readonly string[],
  path: string,
  problems: Problem[],
): string[] {
  const seen = new Map<string, number>()
  const data: string[] = []
  for (const [index, text] of texts.entries()) {
    const at = joinPath(path, index)
    const canonical = reading(at, problems, () =>
      formatRdata(parseType(type), parseRdata(type, text, origin)),
    )
    if (canonical === null) continue
    const identity = rdataIdentity(type, canonical)
    const first = seen.get(identity)
    if (first !== undefined) {
      problems.push({ path: at, message: `is the same as ${joinPath(path, first)}` })
      continue
    }
    seen.set(identity, index)
    data.push(canonical)
  }
  return data
}

export const formatZoneHead = (head: ZoneHead): Body => headForm.format(head)
/** All that holds for a zone, also what goes without saying; without its RRsets. */
export const formatWholeHead = (head: ZoneHead): Body => headForm.format(head, true)
export const formatRrset = (rrset: Rrset): Body => rrsetForm.format(rrset)
export const formatZoneRrset = (rrset: Rrset): Body => zoneRrsetForm.format(rrset)

export function formatZone(zone: Zone): Body {
  return { ...formatZoneHead(zone), rrsets: zone.rrsets.map(formatZoneRrset) }
}
