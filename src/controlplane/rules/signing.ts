/** What a write may make of the signing of a zone. Judged when it is planned, and again when it is written. */
import { hostnameToWire, maxNameLength } from '../../dataplane/wire/name.ts'
import { hashLabelLength } from '../../dataplane/wire/owner-hash.ts'
import { addedTypes, type ZoneSigning } from '../model/dnssec.ts'

export interface SigningChange {
  readonly apex: string
  /** Null: not signed. */
  readonly was: ZoneSigning | null
  readonly is: ZoneSigning | null
}

export interface SigningBreach {
  /** The way from the zone to the field; empty for the whole of it. */
  readonly at: readonly string[]
  /** Said of the zone. */
  readonly message: string
}

/** @param changesAlgorithm whether a rollover is under way that takes the zone from one algorithm to another */
export function signingBreaches(change: SigningChange, changesAlgorithm: boolean): SigningBreach[] {
  const { apex, was, is } = change
  if (is === null) return was === null ? [] : [endBreach(apex)]
  return [
    ...hashBreaches(apex, is),
    ...foreignKeyBreaches(change, is, changesAlgorithm),
    ...(was === null ? [] : settingBreaches(apex, was, is)),
  ]
}

function endBreach(apex: string): SigningBreach {
  return {
    at: [],
    message:
      'is signed, and whoever validates takes it for bogus when it is not while its parent says that it is: ' +
      `"pooldns dnssec disable ${apex}" asks the parent first. Keep dnssec in what is written of the zone until then`,
  }
}

function hashBreaches(apex: string, { denial }: ZoneSigning): SigningBreach[] {
  if (denial !== 'nsec3' || hostnameToWire(apex).length + hashLabelLength <= maxNameLength) return []
  const message =
    "can't be signed with nsec3: the hashes in the place of its names would be longer than names may be"
  return [{ at: ['dnssec', 'denial'], message }]
}

/** Keys of others that were not listed before. */
export function newForeignKeys({ was, is }: SigningChange): string[] {
  const before = new Set(was?.foreignKeys)
  return is?.foreignKeys.filter((key) => !before.has(key)) ?? []
}

/**
 * Each algorithm that the DNSKEY set has must sign all of the zone (RFC 4035 section 2.2), so all who sign it do so by the same (RFC 8901
 * section 5). Only what is new is judged, so that what was written before can be written again.
 */
function foreignKeyBreaches(
  change: SigningChange,
  { algorithm }: ZoneSigning,
  changesAlgorithm: boolean,
): SigningBreach[] {
  const added = newForeignKeys(change)
  if (added.length === 0) return []
  const at = ['dnssec', 'foreignKeys']
  const other = added.map((key) => key.split(' ')[2]).find((each) => each !== String(algorithm))
  if (other !== undefined) {
    const message =
      `can't list a key of algorithm ${other} in foreignKeys, for it is signed by algorithm ${algorithm}: whoever validates may ask for a ` +
      'signature of each algorithm that there is a DNSKEY of, and this server makes none by that one. All who sign the zone do so by the ' +
      'same algorithm'
    return [{ at, message }]
  }
  if (!changesAlgorithm) return []
  return [
    {
      at,
      message: 'goes from one algorithm to another: list keys of others in foreignKeys once that is over',
    },
  ]
}

/** What may be changed by a rollover alone. */
function settingBreaches(apex: string, was: ZoneSigning, is: ZoneSigning): SigningBreach[] {
  if (was.algorithm === is.algorithm && was.keys === is.keys) return []
  const how = ({ algorithm, keys }: ZoneSigning) => `algorithm ${algorithm} and keys: ${keys}`
  const message =
    `can't be signed with ${how(is)} in one step, for it is signed with ${how(was)}, and whoever validates would take it for bogus: ` +
    `"pooldns dnssec roll ${apex}" takes it from one to the other`
  return [{ at: ['dnssec'], message }]
}

export const isMadeBySigning = (type: string) => addedTypes.some((added) => added === type)

/** Why a signed zone can't have an RRset. */
export const madeBySigning = (owner: string, type: string) =>
  `${owner} ${type}: the zone is signed here, and signing makes its ${addedTypes.join(', ')} itself`
