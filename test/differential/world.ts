/**
 * Zones made by a seeded grammar. A world is a handful of zones that know of each other: a parent, a child that is served
 * too, sometimes a grandchild or a zone that nobody delegates, a sibling, and a zone with a DNAME at its apex. A zone is
 * sketched first (which names, and what each of them is), then filled, so that every RR can point at any name of the
 * world, also at names that come later, that a cut or another zone hides, or that don't exist.
 *
 * The grammar keeps to what all three servers load: no data beside a CNAME, none below a DNAME, no cut at a wildcard.
 */
import type { Random } from '../../src/dataplane/random.ts'
import { chance, pick } from './draws.ts'
import { fold, type Labels, maxNameOctets, nameKey } from './names.ts'
import { isOfHash, type TestRrset } from './rdata.ts'
import { type SketchNode, sketchDnameZone, sketchZone } from './sketch.ts'
import { fillZone } from './zone-filling.ts'

export interface TestZone {
  readonly apex: Labels
  readonly rrsets: readonly TestRrset[]
}

export interface World {
  readonly zones: readonly TestZone[]
}

/**
 * @param index makes the apexes of this world differ from those of all others
 * @param longest octets of an owner at the most
 */
export function makeWorld(random: Random, index: number, longest = maxNameOctets): World {
  const tag = `w${index}`
  const parent: Labels = [chance(random, 0.3) ? `P.\xff${tag}` : `P-${tag}`, 'test']
  const child: Labels = [drawApexLabel(random), ...parent]
  const apexes: Labels[] = [parent, child, [`s-${tag}`, 'test']]
  if (chance(random, 0.5)) apexes.push(['deep', 'gap', ...child])
  if (chance(random, 0.4)) apexes.push(['undelegated', `s-${tag}`, 'test'])
  const hides = chance(random, 0.1)
  const everywhere: SketchNode[] = apexes.map((name) => ({ name, kind: 'apex' }))
  const sketches = apexes.map((apex) => sketchZone(random, { apex, apexes, hides, everywhere, longest }))
  if (chance(random, 0.6)) sketches.push(sketchDnameZone([`D-${tag}`, 'test'], everywhere, longest))
  return {
    zones: sketches.map((sketch) => ({ apex: sketch.apex, rrsets: fillZone(random, sketch, sketches) })),
  }
}

function drawApexLabel(random: Random): string {
  return pick(random, ['c', 'Child', 'b.i\x80n'])
}

/** Every name that some zone of the world has, with capitals folded; without those of NSEC3s. */
export function ownersOf({ zones }: World): Labels[] {
  return unique(zones.flatMap(({ rrsets }) => rrsets.filter((rrset) => !isOfHash(rrset))))
}

/** The names of NSEC3s. */
export function hashesOf({ zones }: World): Labels[] {
  return unique(zones.flatMap(({ rrsets }) => rrsets.filter(isOfHash)))
}

function unique(rrsets: readonly TestRrset[]): Labels[] {
  const owners = rrsets.map(({ owner }) => fold(owner))
  return [...new Map(owners.map((name) => [nameKey(name), name])).values()]
}
