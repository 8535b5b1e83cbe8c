/** The most characters of a reason: it is read by an operator at night, and kept in the store. */
export const longestReason = 160

/** A text of `most` characters at the most, and never half of one that is two code units: Postgres could not keep it. */
export function cutReason(text: string, most: number): string {
  return (text.length > most ? `${text.slice(0, most - 1)}…` : text).toWellFormed()
}

/**
 * What an error of TLS says, without the advice to start Node with some flag that it may end with: whoever reads it runs
 * pooldns, and knows of no Node.
 */
export function withoutAdvice(message: string): string {
  return message.replace(/; if the root CA is installed locally.*$/s, '')
}

/**
 * Makes a reason of a text, whatever a peer put into it: of bounded length, and without control characters, those of direction
 * (UAX #9) included, which show a line in another order than it is read in.
 */
export function toReason(text: string): string {
  const said = withoutAdvice(text)
  const printable = said.replace(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]+/gu, ' ').trim()
  return cutReason(printable, longestReason)
}
