/** The grammar's dice: which label, which of several. */
import type { Random } from '../../src/dataplane/random.ts'
import { maxLabelOctets } from './names.ts'

const plainLabels = ['a', 'b', 'c', 'd', 'www', 'mail', 'ns1', 'ns2', '_tcp', '1', 'x-y']
/**
 * Dots, spaces and quotes inside a label, binary octets, what only looks like a wildcard, and pairs that differ by the bit
 * that makes a letter a capital, though they are no letters.
 */
const oddLabels = [
  'A.B',
  '.',
  'UPPER',
  'MiXeD',
  '\x00\x01\xff',
  ' ',
  '"q"',
  '\\',
  ';',
  '(x)',
  '@',
  '`',
  '[',
  '{',
  '\xc0',
  '\xe0',
  '$ORIGIN',
  '**',
  '*x',
  'x*',
  '\x07',
  'l'.repeat(maxLabelOctets),
]

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.below(items.length)]!
}

export function chance(random: Random, share: number): boolean {
  return random.next() < share * 0x1_0000_0000
}

export function drawLabel(random: Random): string {
  if (chance(random, 0.17)) return '*'
  return pick(random, chance(random, 0.3) ? oddLabels : plainLabels)
}
