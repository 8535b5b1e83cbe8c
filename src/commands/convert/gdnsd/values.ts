/** Values of gdnsd's configuration as what they are meant to be. */
import { SyntaxProblem } from '../input.ts'
import type { VscfHash, VscfValue } from './vscf.ts'

/** What a hash has under a key; undefined when it has nothing there. */
export function valueAt(hash: VscfHash, key: string): VscfValue | undefined {
  return hash.entries.get(key)?.value
}

/** @throws SyntaxProblem */
export function hashOf(value: VscfValue, what: string): VscfHash {
  if (value.kind === 'hash') return value
  throw new SyntaxProblem(value.place, `${what} must be a hash, and is ${kindOf(value)}`)
}

/** @throws SyntaxProblem */
export function textOf(value: VscfValue, what: string): string {
  if (value.kind === 'string') return value.text
  throw new SyntaxProblem(value.place, `${what} must be a string, and is ${kindOf(value)}`)
}

/** Of an array of strings; one string stands for an array of it. @throws SyntaxProblem */
export function textsOf(value: VscfValue, what: string): string[] {
  return value.kind === 'array' ? value.items.map((item) => textOf(item, what)) : [textOf(value, what)]
}

/** @throws SyntaxProblem */
export function numberOf(value: VscfValue, what: string): number {
  const text = textOf(value, what)
  if (/^-?\d+(?:\.\d+)?$/.test(text)) return Number(text)
  throw new SyntaxProblem(value.place, `${what} must be a number, not ${JSON.stringify(text)}`)
}

/** @throws SyntaxProblem */
export function booleanOf(value: VscfValue, what: string): boolean {
  const text = textOf(value, what).toLowerCase()
  if (text === 'true' || text === 'false') return text === 'true'
  throw new SyntaxProblem(value.place, `${what} must be true or false, not ${JSON.stringify(text)}`)
}

function kindOf({ kind }: VscfValue): string {
  return kind === 'array' ? 'an array' : `a ${kind}`
}
