import { TextError } from '../dataplane/wire/text-error.ts'

/** What a text means; null for one that means nothing, where that is all that matters. */
export function parsedOrNull<T>(parse: () => T): T | null {
  try {
    return parse()
  } catch (error) {
    if (error instanceof TextError) return null
    throw error
  }
}
