/**
 * A query whose rows are one text each, which are handed on as they come. What pg does otherwise, an object for each row and all of
 * them kept until the last has come, takes longer for ten thousand rows than to write them out: most of it goes into collecting
 * what has lived for so long. And who gets them at once works while the server does.
 */
import pg from 'pg'

export interface TextQuery {
  readonly text: string
  readonly values: unknown[]
  readonly query_timeout?: number | undefined
}

/** Resolves once all have been handed on. Rejects with what `onText` throws, behind which nothing is handed on any more. */
export function queryTexts(
  client: pg.ClientBase,
  query: TextQuery,
  onText: (text: string) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const rows = new TextRows(query, onText)
    const ended = (error: Error | null) => {
      const failure = error ?? rows.failure
      if (failure === undefined) resolve()
      else reject(failure)
    }
    // Of a query that was made already pg takes the callback in the place of values, which its types don't know.
    client.query(rows as never, ended as never)
  })
}

class TextRows extends pg.Query {
  /** Where pg looks for it. */
  readonly query_timeout: number | undefined
  readonly #onText: (text: string) => void
  failure: unknown

  constructor(query: TextQuery, onText: (text: string) => void) {
    super(query)
    this.query_timeout = query.query_timeout
    this.#onText = onText
  }

  /** In the place of pg's own. */
  handleDataRow({ fields }: { readonly fields: readonly string[] }): void {
    if (this.failure !== undefined) return
    try {
      this.#onText(fields[0]!)
    } catch (error) {
      this.failure = error
    }
  }
}
