/** The most characters of a reason: it is read by an operator at night, and kept in the store. */
export const longestReason = 160

/** Makes a reason of a text, whatever a peer put into it: of bounded length, and without control characters. */
export function toReason(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
  const printable = text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim()
  return printable.length > longestReason ? `${printable.slice(0, longestReason - 1)}…` : printable
}
