/** The first half of the grammar (`world.ts`): which names a zone has, and what each of them is. */
import type { Random } from '../../src/dataplane/random.ts'
import { chance, drawLabel, pick } from './draws.ts'
import {
  isBelow,
  isBelowOrAt,
  type Labels,
  maxLabelOctets,
  maxNameOctets,
  nameKey,
  wireLength,
} from './names.ts'

export type SketchKind = 'apex' | 'data' | 'cname' | 'cut' | 'dname'

export interface SketchNode {
  readonly name: Labels
  readonly kind: SketchKind
  /** Where the CNAME leads; the grammar of chains says so, otherwise it is drawn. */
  readonly leadsTo?: Labels
}

/** A zone's names before they have data. */
export interface Sketch {
  readonly apex: Labels
  /** Served zones below this one, of whose names it has none but those of the cut. */
  readonly children: readonly Labels[]
  readonly nodes: Map<string, SketchNode>
  /** The nodes of all zones of the world so far: NSD allows none below a DNAME, of whichever zone. */
  readonly everywhere: SketchNode[]
  /** Octets of an owner at the most. */
  readonly longest: number
}

export interface ZonePlace extends Pick<Sketch, 'apex' | 'everywhere' | 'longest'> {
  /** Of all zones of the world. */
  readonly apexes: readonly Labels[]
  /** Whether the zone may have names of its own below the served zones that lie in it. */
  readonly hides: boolean
}

export function sketchZone(random: Random, { apex, apexes, hides, everywhere, longest }: ZonePlace): Sketch {
  const below = apexes.filter((other) => isBelow(other, apex))
  const sketch: Sketch = { apex, children: hides ? [] : below, nodes: new Map(), everywhere, longest }
  add(sketch, { name: apex, kind: 'apex' })
  for (const child of below) {
    if (child.includes('undelegated') || chance(random, 0.15)) continue
    if (chance(random, 0.9)) add(sketch, { name: child, kind: 'cut' })
  }
  const size = 8 + random.below(10)
  for (let i = 0; i < size; i++) {
    const above = pick(random, [...sketch.nodes.values()])
    if (above.kind === 'dname') continue
    const labels = chance(random, 0.2) ? [drawLabel(random), drawLabel(random)] : [drawLabel(random)]
    add(sketch, { name: [...labels, ...above.name], kind: drawKind(random, labels[0]!) })
  }
  if (chance(random, 0.3)) add(sketch, { name: longName(random, sketch), kind: drawKind(random, 'a') })
  if (chance(random, 0.3)) add(sketch, { name: deepName(apex), kind: drawKind(random, 'a') })
  if (chance(random, 0.5)) addChain(random, sketch)
  return sketch
}

/** Nothing may stand below a DNAME, so this zone is its apex alone. */
export function sketchDnameZone(apex: Labels, everywhere: SketchNode[], longest: number): Sketch {
  const sketch: Sketch = { apex, children: [], nodes: new Map(), everywhere, longest }
  add(sketch, { name: apex, kind: 'apex' })
  return sketch
}

function drawKind(random: Random, firstLabel: string): SketchKind {
  const share = random.below(100)
  if (share < 20) return 'cname'
  if (share < 38 && firstLabel !== '*') return 'cut'
  if (share < 46) return 'dname'
  return 'data'
}

/** Leaves out what the grammar forbids, and what is there already. */
function add({ apex, children, nodes, everywhere, longest }: Sketch, node: SketchNode): void {
  const key = nameKey(node.name)
  if (children.some((child) => isBelow(node.name, child))) return
  if (nodes.has(key) || wireLength(node.name) > longest) return
  if (everywhere.some(({ kind, name }) => kind === 'dname' && isBelow(node.name, name))) return
  if (node.kind === 'dname' && everywhere.some(({ name }) => isBelow(name, node.name))) return
  if (!isBelowOrAt(node.name, apex)) return
  nodes.set(key, node)
  everywhere.push(node)
}

/** A name as long as may be, or one octet less than that, or so. */
function longName(random: Random, { apex, longest }: Sketch): Labels {
  const wanted = longest - pick(random, [0, 1, 2, 40])
  let name = apex
  while (wireLength(name) < wanted) {
    const label = Math.min(maxLabelOctets, wanted - wireLength(name) - 1)
    if (label < 1) break
    name = ['L'.repeat(label), ...name]
  }
  return name
}

function deepName(apex: Labels): Labels {
  const labels = Math.min(100, Math.floor((maxNameOctets - wireLength(apex)) / 2))
  return [...new Array<string>(labels).fill('z'), ...apex]
}

/** CNAMEs one behind another; the last one leads back, nowhere, or is at a loss itself. */
function addChain(random: Random, sketch: Sketch): void {
  const length = pick(random, [1, 2, 3, 5, 9, 14, 25])
  const last = pick(random, ['chain0', 'chain1', 'nothing', 'www'])
  for (let i = 0; i < length; i++) {
    const next = i + 1 < length ? `chain${i + 1}` : last
    add(sketch, { name: [`chain${i}`, ...sketch.apex], kind: 'cname', leadsTo: [next, ...sketch.apex] })
  }
}
