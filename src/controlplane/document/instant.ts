export const instantDescription = 'an instant such as 2027-01-31T03:00:00Z (RFC 3339, with its offset)'

// RFC 3339 section 5.6. Date.parse alone would take local times and a dozen other spellings.
const instantPattern = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/

/** Null for a text that is none. */
export function parseInstant(text: string): Date | null {
  if (!instantPattern.test(text)) return null
  const date = new Date(text)
  return Number.isNaN(date.getTime()) ? null : date
}
