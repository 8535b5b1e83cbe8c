/**
 * Where master files meet the RDATA codec: types and RDATA from tokens. Nothing else here knows what a type's fields
 * are.
 */
import { formatRdata, parseRdata, parseType, rdataIdentity, typeName } from '../../dataplane/wire/rdata.ts'
import { stringOctets } from '../../dataplane/wire/rdata-fields.ts'
import { TextError } from '../../dataplane/wire/text-error.ts'
import type { Token } from '../../dataplane/wire/tokens.ts'
import { show } from '../document/schema-check.ts'

/** RDATA of one RR. */
export interface Rdata {
  /** Canonical text, as the store keeps it. */
  readonly text: string
  /** The text that all spellings of the RR share; null where that is `text`. */
  readonly identity: string | null
  /** How many its wire form has. */
  readonly octets: number
}

/** Whether a word stands for a class, and whether for the one that we serve. */
export function readClass(text: string): 'internet' | 'other' | null {
  const name = text.toUpperCase()
  if (name === 'IN' || name === 'CLASS1') return 'internet'
  return /^(CH|CHAOS|HS|HESIOD|CS|NONE|ANY|CLASS\d{1,5})$/.test(name) ? 'other' : null
}

/** The text of a word; a quoted string names no owner and no type. @throws TextError */
export function unquoted(token: Token): string {
  if (token.quoted) throw new TextError(`${show(token.text)} is quoted, where a name is due`)
  return token.text
}

/** The canonical spelling of a type: its mnemonic, or `TYPE123`. @throws TextError for one that no RRset has */
export function readType(text: string): string {
  return typeName(parseType(text))
}

/**
 * RDATA from its tokens; relative names take `origin`.
 *
 * The tokens are joined again rather than handed over: the codec has rules of its own for a word with a quote in it.
 *
 * @throws TextError that names the field
 */
export function readRdata(type: string, tokens: readonly Token[], origin: Uint8Array): Rdata {
  const wire = parseRdata(type, tokens.map(plainText).join(' '), origin)
  const text = formatRdata(parseType(type), wire)
  const identity = rdataIdentity(type, text)
  return { text, identity: identity === text ? null : identity, octets: wire.length }
}

/** The octets that a word or a quoted string stands for. @throws TextError for an escape that is none */
export function tokenOctets({ text }: Token): Uint8Array {
  return stringOctets(plainText({ text, quoted: false }))
}

/** An escaped pair that may stay, or one octet that may not, with the backslash that it then no longer needs. */
const unprintable = /\\[\t\x20-\x7e]|\\?[^\t\x20-\x7e]/g

/** Octets above ASCII, and line breaks in strings, stand as they are in files; as `\DDD` they pass through every text. */
function plainText({ text, quoted }: Token): string {
  const plain = text.replaceAll(unprintable, (found) => {
    const last = found.charCodeAt(found.length - 1)
    return last < 0x7f && last >= 0x20 ? found : `\\${String(last).padStart(3, '0')}`
  })
  return quoted ? `"${plain}"` : plain
}

/** A message with words of a file, where each character is an octet, as its author knows them. */
export function shownText(message: string): string {
  return /[\x80-\xff]/.test(message) ? Buffer.from(message, 'latin1').toString() : message
}
