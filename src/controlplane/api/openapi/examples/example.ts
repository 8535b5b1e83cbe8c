/** A request that the API takes, as the OpenAPI document shows it. */
export interface Example {
  /** `operationId` of the route. */
  readonly of: string
  /** Its name among the examples of the operation; the first one has none other. */
  readonly name?: string
  readonly summary?: string
  /** Of the path, the query and the header, by their names. */
  readonly parameters?: Readonly<Record<string, string | number | boolean>>
  /** A text for a body that is no JSON. */
  readonly body?: unknown
  /** What the reply is on a server that was empty and has got all requests before it. */
  readonly status: number
}

export const firstName = 'example'
