/**
 * Names as the differential test holds them: labels as strings of octets (one character an octet, latin1), leftmost first,
 * without the root. Apart from the server's own code for names, so that a fault there shows.
 */
export type Labels = readonly string[]

export const maxNameOctets = 255
export const maxLabelOctets = 63

export function wireLength(name: Labels): number {
  return name.reduce((sum, label) => sum + label.length + 1, 1)
}

export function toWire(name: Labels): Buffer {
  return Buffer.from(wireText(name), 'latin1')
}

/** The wire form, a character an octet. */
function wireText(name: Labels): string {
  let text = ''
  for (const label of name) text += String.fromCharCode(label.length) + label
  return `${text}\0`
}

/** Absolute presentation form; every octet that could mean something to a reader of master files is escaped by number. */
export function toText(name: Labels): string {
  return name.length === 0 ? '.' : name.map((label) => `${labelText(label)}.`).join('')
}

function labelText(label: string): string {
  if (label === '*') return label
  return label.replace(/[^a-zA-Z0-9_-]/g, (char) => `\\${String(char.charCodeAt(0)).padStart(3, '0')}`)
}

/** Only ASCII letters fold (RFC 4343). */
export function fold(name: Labels): Labels {
  return name.some((label) => /[A-Z]/.test(label))
    ? name.map((label) => label.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()))
    : name
}

/** Equal for names that are the same to DNS. */
export function nameKey(name: Labels): string {
  return wireText(fold(name))
}

export function isBelowOrAt(name: Labels, ancestor: Labels): boolean {
  const from = name.length - ancestor.length
  return from >= 0 && nameKey(name.slice(from)) === nameKey(ancestor)
}

export function isBelow(name: Labels, ancestor: Labels): boolean {
  return name.length > ancestor.length && isBelowOrAt(name, ancestor)
}
