/**
 * Patterns for names of pools and members: `*` stands for any run of characters, none included, and `?` for one. Names hold
 * neither, so a text is either a name or a pattern.
 *
 * Matched by hand and not by a regular expression made of the pattern, which an operator could make take exponential time.
 */

export function isPattern(text: string): boolean {
  return /[*?]/.test(text)
}

/** Characters that stand for themselves. */
export function literalCharacters(pattern: string): number {
  return pattern.replaceAll(/[*?]/g, '').length
}

/**
 * Whether a pattern, which may be a plain name, stands for a name. A `*` takes as little as it can, and only the last one
 * takes more when what follows does not fit: an earlier one could gain nothing by it. So at most as many steps as pattern
 * times name have characters, and linear for what people write.
 */
export function matchesPattern(pattern: string, name: string): boolean {
  return matches(pattern, name, () => true)
}

/** @param isOne whether `?` stands for a character */
function matches(pattern: string, name: string, isOne: (character: string) => boolean): boolean {
  let at = 0
  let seen = 0
  let star = -1
  let taken = 0
  while (seen < name.length) {
    const wanted = pattern[at]
    if (wanted === '*') {
      star = at++
      taken = seen
    } else if (wanted !== undefined && (wanted === name[seen] || (wanted === '?' && isOne(name[seen]!)))) {
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

/**
 * Whether everything that one pattern stands for another stands for too; either may be a plain name. Never said of what is not so; of
 * some that are so in a roundabout way (`a?*` within `a*?`) it is not said either.
 *
 * The inner one is taken for a name, of which an outer `?` takes any character but a `*`.
 */
export function patternWithin(inner: string, outer: string): boolean {
  return matches(outer, inner, (character) => character !== '*')
}

/** Whether there is a name that two patterns both stand for; either may be a plain name. */
export function patternsMeet(one: string, other: string): boolean {
  // meets[j]: the rest of `one` from i on and the rest of `other` from j on. From the ends to the beginnings.
  let below = new Array<boolean>(other.length + 1)
  for (let i = one.length; i >= 0; i--) {
    const meets = new Array<boolean>(other.length + 1)
    for (let j = other.length; j >= 0; j--) {
      if (i === one.length && j === other.length) meets[j] = true
      else if (one[i] === '*') meets[j] = below[j]! || (j < other.length && meets[j + 1]!)
      else if (other[j] === '*') meets[j] = meets[j + 1]! || (i < one.length && below[j]!)
      else meets[j] = i < one.length && j < other.length && mayBeSame(one[i]!, other[j]!) && below[j + 1]!
    }
    below = meets
  }
  return below[0]!
}

function mayBeSame(one: string, other: string): boolean {
  return one === other || one === '?' || other === '?'
}
