/** Random names in wire form, within the limits of RFC 1035. */
import fc from 'fast-check'

function join(labels: readonly Uint8Array[]): Uint8Array {
  const parts: number[] = []
  for (const label of labels) {
    if (parts.length + label.length + 2 > 255) break
    parts.push(label.length, ...label)
  }
  return Uint8Array.from([...parts, 0])
}

/** Any octet in any label. */
export const anyName: fc.Arbitrary<Uint8Array> = fc
  .array(fc.uint8Array({ minLength: 1, maxLength: 63 }), { maxLength: 8 })
  .map(join)

/** Many short labels, to reach the limit of 127. */
export const deepName: fc.Arbitrary<Uint8Array> = fc
  .array(fc.uint8Array({ minLength: 1, maxLength: 2 }), { minLength: 60, maxLength: 140 })
  .map(join)

/** Labels of letters, digits and hyphens, in either case. */
export const hostName: fc.Arbitrary<string> = fc
  .array(fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9-]{0,8}[A-Za-z0-9])?$/), { minLength: 1, maxLength: 5 })
  .map((labels) => labels.join('.'))
