/**
 * Text on its way to a terminal. Some of it was written by others: what a member says of itself, the reason of an override, a line
 * of a master file. A terminal obeys control characters, and shows what stands between characters of direction (UAX #9) in
 * another order than it is read in.
 */

/** What changes how the text around it is shown; line breaks that are no `\n` are among it. */
const acting = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu

/** One line, or a part of one. */
export function printable(text: string): string {
  return text.replaceAll(acting, '?')
}

/** Lines, which a text of ours may have several of. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

/** JSON that means the same: in its strings, characters may be escaped. */
export function printableJson(text: string): string {
  return text.replaceAll(acting, (found) =>
    found === '\n' ? found : `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
