/**
 * Patterns for names of pools and members: `*` stands for any run of characters, none included, and `?` for one. Names hold
 * neither, so a text is either a name or a pattern.
 *
 * Matched by hand and not by a regular expression made of the pattern, which an operator could make take exponential time.
 */

export function isPattern(text: string): boolean {
  return text.includes('*') || text.includes('?')
}

/** Characters that stand for themselves. */
export function literalCharacters(pattern: string): number {
  let count = 0
  for (const character of pattern) if (character !== '*' && character !== '?') count++
  return count
}

/**
 * Whether a pattern, which may be a plain name, stands for a name. A `*` takes as little as it can, and only the last one
 * takes more when what follows does not fit: an earlier one could gain nothing by it. So at most as many steps as pattern
 * times name have characters, and linear for what people write.
 */
export function matchesPattern(pattern: string, name: string): boolean {
  let at = 0
  let seen = 0
  let star = -1
  let taken = 0
  while (seen < name.length) {
    const wanted = pattern[at]
    if (wanted === '*') {
      star = at++
      taken = seen
    } else if (wanted === '?' || wanted === name[seen]) {
      at++
      seen++
    } else if (star >= 0) {
      at = star + 1
      seen = ++taken
    } else {
      return false
    }
  }
  while (pattern[at] === '*') at++
  return at === pattern.length
}
