/** What a master file comes from: chunks of octets, or of text that is taken as UTF-8. */
export type FileSource = AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>

/** U+FEFF in UTF-8, octet by octet. */
const byteOrderMark = '\xef\xbb\xbf'

/**
 * Octets as characters, so that columns count octets and nothing is decoded that may not be text. Leaves out the byte
 * order mark that some editors put before UTF-8.
 */
export async function* octetText(source: FileSource): AsyncGenerator<string> {
  /** What may be the beginning of the mark; null behind it. */
  let start: string | null = ''
  for await (const chunk of source) {
    const octets = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    const text = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1')
    if (start === null) {
      yield text
      continue
    }
    start += text
    if (byteOrderMark.startsWith(start)) continue
    yield start.startsWith(byteOrderMark) ? start.slice(byteOrderMark.length) : start
    start = null
  }
  if (start !== null && start !== byteOrderMark) yield start
}
