/** The canonical order of names (RFC 4034 section 6.1): label by label from the root, octet by octet. */

/**
 * Text by which names sort as they do canonically, compared by its code units. A label ends with 0, which sorts before every octet of one;
 * so the octets 0 and 1 of a label are written with two.
 *
 * @param name lower-cased wire form
 */
export function canonicalKey(name: Uint8Array): string {
  let key = ''
  for (let at = 0; name[at] !== 0; at += name[at]! + 1) key = `${labelKey(name, at)}\0${key}`
  return key
}

function labelKey(name: Uint8Array, at: number): string {
  let label = ''
  for (let i = at + 1; i <= at + name[at]!; i++) {
    const octet = name[i]!
    label += octet < 2 ? `\x01${String.fromCharCode(octet + 1)}` : String.fromCharCode(octet)
  }
  return label
}
