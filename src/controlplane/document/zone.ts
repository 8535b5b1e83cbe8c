import Type, { type Static } from 'typebox'
import {
  formatName,
  hostnameToWire,
  isSubdomain,
  lowerName,
  parseName,
  relativeName,
} from '../../dataplane/wire/name.ts'
import { formatRdata, parseRdata, parseType, rdataDoubt, typeName } from '../../dataplane/wire/rdata.ts'
import { TextError } from '../../dataplane/wire/text-error.ts'
import type { Problem } from '../model/errors.ts'
import type { Rrset, Soa, Zone, ZoneHead } from '../model/zone.ts'
import { checkRrset, checkZone } from '../rules/zone-data.ts'
import { formatSeconds } from './duration.ts'
import { AbsoluteName, durationSeconds, readHostname, reading, Seconds, Whole } from './fields.ts'
import { joinPath } from './path.ts'
import { compileCheck, maxProblems, show } from './schema-check.ts'

export const SoaSchema = Type.Object(
  {
    mname: AbsoluteName(),
    rname: AbsoluteName(),
    serial: Type.Optional(Whole(0, 4_294_967_295)),
    refresh: Type.Optional(Seconds()),
    retry: Type.Optional(Seconds()),
    expire: Type.Optional(Seconds()),
    minimum: Type.Optional(Seconds()),
  },
  {
    additionalProperties: false,
    description: 'an object with mname, rname, the times of the SOA and, to fix it, the serial',
  },
)

// More RDATA than this never fits a message of 65,535 octets.
const Data = Type.Array(Type.String({ description: 'RDATA as text' }), { minItems: 1, maxItems: 4096 })

export const RrsetSchema = Type.Object(
  { ttl: Type.Optional(Seconds()), data: Data, status: Type.Optional(Type.Unknown()) },
  { additionalProperties: false, description: 'an object with the fields of an RRset' },
)
export type RrsetBody = Static<typeof RrsetSchema>

export const ZoneRrsetSchema = Type.Object(
  { name: Type.String(), type: Type.String(), ttl: Type.Optional(Seconds()), data: Data },
  { additionalProperties: false, description: 'an object with name, type, ttl and data' },
)
export type ZoneRrsetBody = Static<typeof ZoneRrsetSchema>

export const ZoneHeadFields = { soa: SoaSchema, ttl: Type.Optional(Seconds()) }

export const ZoneSchema = Type.Object(
  {
    ...ZoneHeadFields,
    rrsets: Type.Optional(Type.Array(ZoneRrsetSchema)),
    status: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: false, description: 'an object with the fields of a zone' },
)
export type ZoneBody = Static<typeof ZoneSchema>

const checkZoneBody = compileCheck(ZoneSchema)
const checkRrsetBody = compileCheck(RrsetSchema)

const defaultTtlSeconds = 300
const soaDefaults = {
  refreshSeconds: 3600,
  retrySeconds: 600,
  expireSeconds: 14 * 86_400,
  minimumSeconds: 60,
}

/** The zone that a fragment describes; null, and every problem reported, when it is not one. */
export function parseZone(apexText: string, input: unknown, path: string, problems: Problem[]): Zone | null {
  const before = problems.length
  const apex = readHostname(apexText, path, problems)
  const found = checkZoneBody(input, path)
  problems.push(...found)
  const bad = new Set(found.map((problem) => problem.path))
  const rrsetsAt = joinPath(path, 'rrsets')
  if (apex === null || bad.has(path) || bad.has(rrsetsAt)) return null
  const body = input as ZoneBody
  const rrsets = parseRrsets(hostnameToWire(apex), body.rrsets ?? [], rrsetsAt, found, problems)
  if (problems.length > before) return null
  const zone: Zone = {
    apex,
    soa: soaFrom(body.soa),
    ttlSeconds: body.ttl === undefined ? defaultTtlSeconds : durationSeconds(body.ttl),
    rrsets,
  }
  const broken = checkZone(zone)
  problems.push(
    ...broken.map(({ index, message }) => ({ path: joinPath(joinPath(path, 'rrsets'), index), message })),
  )
  return broken.length > 0 ? null : zone
}

/**
 * The RRset of an owner and type, whose fragment is `{ ttl, data }`; null, and every problem reported, when it is not
 * one. The owner may be relative, `@` or absolute. Problems of the key have the paths `owner` and `type`.
 */
export function parseRrset(
  apex: string,
  key: { owner: string; type: string },
  input: unknown,
  path: string,
  problems: Problem[],
): Rrset | null {
  const before = problems.length
  const found = checkRrsetBody(input, path)
  problems.push(...found)
  const origin = hostnameToWire(apex)
  const identity = readKey(origin, key, { owner: 'owner', type: 'type' }, problems)
  const bad = new Set(found.map((problem) => problem.path))
  const dataAt = joinPath(path, 'data')
  if (identity === null || bad.has(path) || bad.has(dataAt)) return null
  const body = input as RrsetBody
  const data = readData(origin, identity.type, body.data, dataAt, bad, problems)
  if (problems.length > before) return null
  const rrset = { ...identity, ttlSeconds: ttlOf(body), data }
  // A reply about a single RRset has no place for a warning, and whoever writes one has its source at hand.
  const doubts = data.flatMap((text) => rdataDoubt(rrset.type, text) ?? [])
  const broken = [...checkRrset(apex, rrset), ...doubts]
  problems.push(...broken.map((message) => ({ path: dataAt, message })))
  return broken.length > 0 ? null : rrset
}

/** Owner and type as the model has them; null and problems otherwise. */
export function parseRrsetKey(
  apex: string,
  key: { owner: string; type: string },
  problems: Problem[],
): { owner: string; type: string } | null {
  return readKey(hostnameToWire(apex), key, { owner: 'owner', type: 'type' }, problems)
}

function parseRrsets(
  origin: Uint8Array,
  bodies: readonly ZoneRrsetBody[],
  path: string,
  found: readonly Problem[],
  problems: Problem[],
): Rrset[] {
  const bad = new Set(found.map((problem) => problem.path))
  const seen = new Map<string, number>()
  const rrsets: Rrset[] = []
  for (const [index, body] of bodies.entries()) {
    if (problems.length >= maxProblems) break
    const at = joinPath(path, index)
    const field = (name: string) => joinPath(at, name)
    if (bad.has(at) || ['name', 'type', 'data'].some((name) => bad.has(field(name)))) continue
    const paths = { owner: field('name'), type: field('type') }
    const identity = readKey(origin, { owner: body.name, type: body.type }, paths, problems)
    if (identity === null) continue
    const { owner, type } = identity
    const first = seen.get(`${owner} ${type}`)
    if (first !== undefined) {
      problems.push({ path: at, message: `${owner} ${type} is already in ${joinPath(path, first)}` })
    } else {
      seen.set(`${owner} ${type}`, index)
    }
    const data = readData(origin, type, body.data, field('data'), bad, problems)
    rrsets.push({ owner, type, ttlSeconds: bad.has(field('ttl')) ? null : ttlOf(body), data })
  }
  return rrsets
}

function readKey(
  origin: Uint8Array,
  key: { owner: string; type: string },
  paths: { owner: string; type: string },
  problems: Problem[],
): { owner: string; type: string } | null {
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

/** Canonical RDATA texts: absolute names, one way to quote. Two that come out the same are a problem. */
function readData(
  origin: Uint8Array,
  type: string,
  texts: readonly string[],
  path: string,
  bad: ReadonlySet<string>,
  problems: Problem[],
): string[] {
  const seen = new Map<string, number>()
  for (const [index, text] of texts.entries()) {
    const at = joinPath(path, index)
    if (bad.has(at)) continue
    const canonical = reading(at, problems, () =>
      formatRdata(parseType(type), parseRdata(type, text, origin)),
    )
    if (canonical === null) continue
    const first = seen.get(canonical)
    if (first === undefined) seen.set(canonical, index)
    else problems.push({ path: at, message: `is the same as ${joinPath(path, first)}` })
  }
  return [...seen.keys()]
}

function ttlOf(body: { ttl?: string | number }): number | null {
  return body.ttl === undefined ? null : durationSeconds(body.ttl)
}

function soaFrom(body: Static<typeof SoaSchema>): Soa {
  const seconds = (value: string | number | undefined, otherwise: number) =>
    value === undefined ? otherwise : durationSeconds(value)
  return {
    mname: formatName(lowerName(parseName(body.mname))),
    rname: formatName(lowerName(parseName(body.rname))),
    fixedSerial: body.serial ?? null,
    refreshSeconds: seconds(body.refresh, soaDefaults.refreshSeconds),
    retrySeconds: seconds(body.retry, soaDefaults.retrySeconds),
    expireSeconds: seconds(body.expire, soaDefaults.expireSeconds),
    minimumSeconds: seconds(body.minimum, soaDefaults.minimumSeconds),
  }
}

export function formatZoneHead(head: ZoneHead): ZoneBody {
  const { soa } = head
  return {
    soa: {
      mname: soa.mname,
      rname: soa.rname,
      ...(soa.fixedSerial === null ? {} : { serial: soa.fixedSerial }),
      refresh: formatSeconds(soa.refreshSeconds),
      retry: formatSeconds(soa.retrySeconds),
      expire: formatSeconds(soa.expireSeconds),
      minimum: formatSeconds(soa.minimumSeconds),
    },
    ttl: formatSeconds(head.ttlSeconds),
  }
}

export function formatZone(zone: Zone): ZoneBody {
  return { ...formatZoneHead(zone), rrsets: zone.rrsets.map(formatZoneRrset) }
}

export function formatRrset(rrset: Rrset): RrsetBody {
  return {
    ...(rrset.ttlSeconds === null ? {} : { ttl: formatSeconds(rrset.ttlSeconds) }),
    data: [...rrset.data],
  }
}

export function formatZoneRrset(rrset: Rrset): ZoneRrsetBody {
  const { data, ...ttl } = formatRrset(rrset)
  return { name: rrset.owner, type: rrset.type, ...ttl, data }
}
