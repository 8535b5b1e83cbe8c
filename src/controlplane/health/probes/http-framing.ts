/** How the body of a response is delimited (RFC 9112 section 6), and what of its header section says so. */

/** Values by their names in lower case, each with those of all lines of that name, in order. */
export type HeaderFields = ReadonlyMap<string, readonly string[]>

/** RFC 9110 section 5.6.1: the elements of a list, whose empty ones count for nothing. */
export function listOf(fields: HeaderFields, name: string): string[] {
  const values = fields.get(name) ?? []
  return values.flatMap((value) => value.split(',')).flatMap((element) => element.trim() || [])
}

export type Framing =
  | { readonly kind: 'none' }
  /** Ends with the connection. */
  | { readonly kind: 'closed' }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'malformed'; readonly what: string }

/**
 * RFC 9112 section 6.3, in its order.
 *
 * Both kinds of length at once would be read in two ways by two readers, which is how responses are split (section 11.1): it
 * is malformed here, as it is for the proxies that a member may stand behind.
 */
export function framingOf(method: string, status: number, fields: HeaderFields): Framing {
  if (method === 'HEAD' || status === 204 || status === 304) return { kind: 'none' }
  const codings = listOf(fields, 'transfer-encoding').map((coding) => coding.toLowerCase())
  // An obsolete way to say that there is none (RFC 2616 section 3.6).
  const [coding, ...more] = codings.filter((one) => one !== 'identity')
  const lengths = fields.get('content-length')
  if (coding === undefined) return lengths === undefined ? { kind: 'closed' } : lengthOf(lengths)
  if (lengths !== undefined) return malformed('both Content-Length and Transfer-Encoding')
  // We say of no other that we understand it (section 7.4), so nobody may use one.
  return coding === 'chunked' && more.length === 0
    ? { kind: 'chunked' }
    : malformed(`Transfer-Encoding "${codings.join(', ')}"`)
}

/** RFC 9110 section 8.6: one number, or the same one again and again. One that is huge is none the less a number. */
function lengthOf(values: readonly string[]): Framing {
  const texts = values.flatMap((value) => value.split(',')).map((text) => text.trim())
  const wrong = texts.find((text) => !/^[0-9]+$/.test(text))
  if (wrong !== undefined) return malformed(`Content-Length "${wrong}"`)
  const [length, ...others] = texts.map(Number)
  if (others.some((other) => other !== length)) return malformed(`several lengths: ${texts.join(', ')}`)
  return { kind: 'length', length: length! }
}

function malformed(what: string): Framing {
  return { kind: 'malformed', what }
}
