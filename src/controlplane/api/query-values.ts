/**
 * Parameters and queries come as text; what their schema wants to be a whole number or a boolean is read as one. What is neither
 * stays a text, which the check then refuses. TypeBox has a conversion for all that JSON knows, with a hundred files, which is loaded
 * at every start; and it takes `limit=1.7` for 1.
 */
import type { TObject } from 'typebox'

const readers: Readonly<Record<string, (text: string) => unknown>> = {
  integer: (text) => (/^-?\d+$/.test(text) ? Number(text) : text),
  boolean: (text) => booleans.get(text.toLowerCase()) ?? text,
}
const booleans: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
])

/** @param schema of a flat object: its properties are texts, whole numbers and booleans */
export function readQueryValues(schema: TObject, input: unknown): Record<string, unknown> {
  const properties: Readonly<Record<string, { readonly type?: string }>> = schema.properties
  return Object.fromEntries(
    Object.entries(input as object).map(([name, value]) => {
      const type = Object.hasOwn(properties, name) ? properties[name]!.type : undefined
      const read = type === undefined ? undefined : readers[type]
      return [name, read === undefined || typeof value !== 'string' ? value : read(value)]
    }),
  )
}
