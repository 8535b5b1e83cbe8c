/** What can be read out of the RRs of a view. */
import { fold, isBelowOrAt, type Labels, nameKey } from './names.ts'
import { isOfHash, testTypes } from './rdata.ts'
import type { View } from './response-view.ts'
import type { TestZone, World } from './world.ts'

export function typeOf(rr: string): number {
  return Number(rr.split(' ')[2])
}

/** The owner of an RR of a view, as text. */
export function ownerOf(rr: string): string {
  return rr.slice(0, rr.indexOf(' '))
}

/** The type that an RRSIG is of; -1 for what is none. */
export function coveredBy(rr: string): number {
  return typeOf(rr) === testTypes.RRSIG ? Number.parseInt(dataOf(rr).slice(0, 4), 16) : -1
}

/** The deepest zone that holds a name. */
export function zoneOf({ zones }: World, name: Labels): TestZone | undefined {
  return zones.filter(({ apex }) => isBelowOrAt(name, apex)).sort((a, b) => b.apex.length - a.apex.length)[0]
}

/** The owners of a view's aliases and where each leads. */
export function aliasesOf(view: View): { readonly owner: Labels; readonly target: Labels }[] {
  return view.answer
    .filter((rr) => typeOf(rr) === testTypes.CNAME)
    .map((rr) => ({ owner: readText(ownerOf(rr)), target: readHex(rr.slice(rr.lastIndexOf(' ') + 1)) }))
}

/** From a name as a view spells it. */
export function readText(text: string): Labels {
  const labels: string[] = []
  for (const label of text.split('.').slice(0, -1))
    labels.push(label.replace(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(Number(digits))))
  return labels
}

function readHex(hex: string): Labels {
  const wire = Buffer.from(hex, 'hex')
  const labels: string[] = []
  for (let at = 0; wire[at] !== 0; at += wire[at]! + 1)
    labels.push(wire.toString('latin1', at + 1, at + 1 + wire[at]!))
  return labels
}

/** Whether two names are the same to DNS. */
export function sameName(a: Labels, b: Labels): boolean {
  return nameKey(fold(a)) === nameKey(fold(b))
}

const existingByZone = new WeakMap<TestZone, ReadonlySet<string>>()

/** Labels of the longest name at or above `name` that exists in a zone, or is above it. */
export function existingLabels(zone: TestZone, name: Labels): number {
  let existing = existingByZone.get(zone)
  if (existing === undefined) {
    // Nobody can ask for the owner of an NSEC3 (RFC 5155 section 7.2.8).
    const owners = zone.rrsets.filter((rrset) => !isOfHash(rrset)).map(({ owner }) => owner)
    existing = new Set(owners.flatMap((owner) => owner.map((_, i) => nameKey(owner.slice(i)))))
    existingByZone.set(zone, existing)
  }
  const from = name.findIndex((_, i) => existing.has(nameKey(name.slice(i))))
  return from < 0 ? 0 : name.length - from
}

/** The zone that answers for a name: for DS the parent (RFC 4035 section 3.1.4.1). */
export function speakerFor(world: World, name: Labels, type: number): TestZone | undefined {
  return (type === testTypes.DS ? zoneOf(world, name.slice(1)) : undefined) ?? zoneOf(world, name)
}

function dataOf(rr: string): string {
  return rr.slice(rr.lastIndexOf(' ') + 1)
}

/** Whether an RR is an NSEC or an NSEC3, or signs one: what an authority section has to prove something. */
export function isProof(rr: string): boolean {
  return isDenial(typeOf(rr)) || isDenial(coveredBy(rr))
}

/** Whether a type is that of RRs that deny. */
export function isDenial(type: number): boolean {
  return type === testTypes.NSEC || type === testTypes.NSEC3
}

/** A signature in the answer section at a name; null for none. */
export function signatureAt({ answer }: View, name: Labels): { readonly labels: number } | null {
  const rr = answer.find((one) => typeOf(one) === testTypes.RRSIG && sameName(readText(ownerOf(one)), name))
  // RFC 4034 section 3.1.3: the labels of what was signed.
  return rr === undefined ? null : { labels: Number.parseInt(dataOf(rr).slice(6, 8), 16) }
}
