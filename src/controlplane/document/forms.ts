/**
 * Forms: how the document writes a value and what the model keeps of it, declared once.
 *
 * ## What a declaration is
 * A `Form` has the schema of what is written, reads it into a value of the model and writes it back. Forms of scalars are in
 * `fields.ts`; `record`, `list`, `map`, `either` and `converted` make larger ones of them. A field of a record stands under
 * its name in the document and says its name in the model, its form and what it is when it is left out:
 *
 *     const limit = fieldsOf<FlapLimit>()
 *     const Flap: Form<FlapLimit> = record({
 *       changes: limit.optional('changes', Whole(1, 1000), 3),
 *       within: limit.optional('withinMs', Duration(1000, weekMs), 600_000),
 *     })
 *
 * Validation, defaults, the text of problems, the shortest way to write a value and the OpenAPI document all follow from
 * that. The annotation `Form<FlapLimit>` fails to compile when a field of the model is missing.
 *
 * ## Reading
 * All that is wrong with an input is reported at once, each problem with its path, and nothing comes back but values of the
 * model: `undefined` stands for what could not be read. A record hands what could be read of it to `check`, for what must hold
 * between its fields. An input may be large and wrong everywhere, so collections stop at `maxProblems`.
 *
 * ## What was rejected
 * TypeBox's own `Codec` turns values at any depth of a schema, but it can't rename a field, does not leave a default out when
 * it writes, and ends at the first turn that throws. And one check of a whole schema says all that is wrong in terms of JSON
 * Schema, from which paths and the fields that are readable had to be worked out again.
 */
import { isDeepStrictEqual } from 'node:util'
import Type, { type TArrayOptions, type TObject, type TObjectOptions, type TSchema } from 'typebox'
import type { Problem } from '../model/errors.ts'
import { joinPath } from './path.ts'
import {
  compileCheck,
  isMap,
  isQuotable,
  maxProblems,
  quoting,
  show,
  tooManyEntries,
  tooManyItems,
  unknownField,
} from './schema-check.ts'

/** A kind of value: as the document writes it, and as the model has it. */
export interface Form<Value> {
  /** What is written. Its description completes "must be ...". */
  readonly schema: TSchema
  /** The value; undefined, and every problem reported, for what is none. */
  parse(input: unknown, path: string, problems: Problem[]): Value | undefined
  /** @param whole with all that is left out otherwise, since it goes without saying */
  format(value: Value, whole?: boolean): unknown
}

/** What a record is written as: ready for JSON. */
export type Body = Record<string, unknown>

/** Reads what stands under a name, and may itself hold it; null, and every problem reported, when it is not one. */
export type ParseNamed<T> = (name: string, input: unknown, path: string, problems: Problem[]) => T | null

/** Reports what is wrong some steps further in. */
export type Report = (message: string, ...steps: readonly (string | number)[]) => void

export function reporter(path: string, problems: Problem[]): Report {
  return (message, ...steps) => void problems.push({ path: joinPath(path, ...steps), message })
}

/** The form of an object with known fields. */
export interface RecordForm<Value> extends Form<Value> {
  readonly schema: TObject
  /** As `parse`, and gives the fields that could be read. */
  read(input: unknown, path: string, problems: Problem[]): Partial<Value>
  format(value: Value, whole?: boolean): Body
}

/** A field of a record, and the part of the record's value that it is. */
export interface Field<Part extends object> {
  readonly schema: TSchema
  /** @param others what has been read of the fields before this one */
  parse(input: unknown, path: string, problems: Problem[], others: object): Part | undefined
  /** Undefined leaves the field out. */
  format(model: Part, whole?: boolean): unknown
}

/** The value of a field that is left out; it may follow from fields that are declared before it. */
type Otherwise<Model, Value> = Value | ((others: Readonly<Partial<Model>>) => Value)

interface Absence<Value> {
  readonly otherwise: (others: object) => Value
  /** Written although it is what it would be when left out, since it says most about the whole. */
  readonly shown: boolean
}

/** How a field's value is had from the part of the model that the field is, and the part from the value. */
interface Access<Part, Value> {
  take(model: Part): Value
  put(value: Value): Part
}

/** How the fields of one model are declared: each by its name there and its form. */
export function fieldsOf<Model extends object>() {
  type Key = keyof Model & string
  const keyed = <K extends Key>(key: K, form: Form<Model[K]>, absence?: Absence<Model[K]>) => {
    const put = (value: Model[K]) => ({ [key]: value }) as unknown as Pick<Model, K>
    return fieldOf<Pick<Model, K>, Model[K]>(form, { take: (model) => model[key], put }, absence)
  }
  const absent =
    (shown: boolean) =>
    <K extends Key>(key: K, form: Form<Model[K]>, otherwise: Otherwise<Model, Model[K]>) =>
      keyed(key, form, {
        otherwise: (others) =>
          otherwise instanceof Function ? otherwise(others as Partial<Model>) : otherwise,
        shown,
      })
  return {
    required: <K extends Key>(key: K, form: Form<Model[K]>) => keyed(key, form),
    /** May be left out, and is when it is `otherwise`. */
    optional: absent(false),
    /** May be left out by who writes a document, and is always there when we do. */
    shown: absent(true),
  }
}

/** A field that is several in the model. Without `otherwise` it is required. */
export function spread<Part extends object>(
  form: Form<Part>,
  otherwise?: Part,
  { shown = false } = {},
): Field<Part> {
  const absence = otherwise === undefined ? undefined : { otherwise: () => otherwise, shown }
  return fieldOf<Part, Part>(form, { take: (model) => model, put: (value) => value }, absence)
}

/** A field that the record knows of and does not read. */
export function apart(schema: TSchema): Field<object> {
  return { schema: Type.Optional(schema), parse: () => ({}), format: () => undefined }
}

/** `status` is what the daemon tells beside a body; a client may send it back, and it means nothing then. */
export const ignored = apart(
  Type.Unknown({ description: 'what the server tells; it means nothing in a request' }),
)

function fieldOf<Part extends object, Value>(
  form: Form<Value>,
  { take, put }: Access<Part, Value>,
  absence?: Absence<Value>,
): Field<Part> {
  const isSame = (a: Value, b: Value) =>
    a === b || (a !== null && b !== null && isDeepStrictEqual(form.format(a), form.format(b)))
  return {
    schema: absence === undefined ? form.schema : Type.Optional(form.schema),
    parse: (input, path, problems, others) => {
      if (input === undefined) {
        if (absence !== undefined) return put(absence.otherwise(others))
        problems.push({ path, message: 'is required' })
        return undefined
      }
      const value = form.parse(input, path, problems)
      return value === undefined ? undefined : put(value)
    },
    format: (model, whole = false) => {
      const value = take(model)
      if (whole && value === null) return undefined
      const goesWithoutSaying =
        !whole && absence !== undefined && !absence.shown && isSame(value, absence.otherwise(model))
      if (goesWithoutSaying) return undefined
      const written = form.format(value, whole)
      return whole && isMap(written) && Object.keys(written).length === 0 ? undefined : written
    },
  }
}

type Fields = Readonly<Record<string, Field<object>>>
type PartsOf<F extends Fields> = {
  [Name in keyof F]: F[Name] extends Field<infer Part> ? Part : never
}[keyof F]
type Together<Union> = (Union extends unknown ? (part: Union) => void : never) extends (
  all: infer All,
) => void
  ? All
  : never
/** The value of a record: the parts of all its fields together. */
type ValueOf<F extends Fields> = Together<PartsOf<F>>

interface RecordOptions<Value> {
  /** Its name in the OpenAPI document (`api/openapi/components.ts`); it has none by itself when this is left out. */
  readonly title?: string
  readonly description?: string
  /** Reports what does not go together, of the fields that could be read. */
  check?(values: Readonly<Partial<Value>>, report: Report): void
  /** The fields that are to be understood by what others say, in the place of what was read of them. */
  settle?(values: Readonly<Partial<Value>>, path: string, problems: Problem[]): Partial<Value>
}

/** An object with these fields and no others. */
export function record<F extends Fields>(
  fields: F,
  { title, description, check, settle }: RecordOptions<ValueOf<F>> = {},
): RecordForm<ValueOf<F>> {
  const named = Object.entries(fields)
  const schemas = Object.fromEntries(named.map(([name, { schema }]) => [name, schema]))
  const options = {
    additionalProperties: false,
    ...(title === undefined ? {} : { title }),
    ...(description === undefined ? {} : { description }),
  }
  const read = (input: unknown, path: string, problems: Problem[]): Partial<ValueOf<F>> => {
    if (!isMap(input)) {
      problems.push({ path, message: `must be ${description ?? 'an object'}, not ${show(input)}` })
      return {}
    }
    reportUnknown(input, fields, path, problems)
    const values: Partial<ValueOf<F>> = {}
    for (const [name, field] of named) {
      Object.assign(values, field.parse(input[name], joinPath(path, name), problems, values))
    }
    check?.(values, reporter(path, problems))
    return Object.assign(values, settle?.(values, path, problems))
  }
  return {
    schema: Type.Object(schemas, options),
    read,
    parse: (input, path, problems) => {
      const before = problems.length
      const values = read(input, path, problems)
      // With so many problems collections have stopped, and say no more why they are not whole.
      return problems.length === before && before < maxProblems ? (values as ValueOf<F>) : undefined
    },
    format: (value, whole) =>
      Object.fromEntries(
        named.flatMap(([name, field]) => {
          const written = field.format(value as object, whole)
          return written === undefined ? [] : [[name, written]]
        }),
      ),
  }
}

function reportUnknown(input: object, fields: Fields, path: string, problems: Problem[]): void {
  for (const name of Object.keys(input)) {
    if (problems.length >= maxProblems) return
    if (Object.hasOwn(fields, name)) continue
    problems.push({ path: joinPath(path, name), message: unknownField(name, Object.keys(fields)) })
  }
}

/**
 * @param options with `uniqueItems` only along with `maxItems`, which bounds what comparing them costs
 * @param check reports what does not go together, of the items that could be read; the others are undefined
 */
export function list<Item>(
  item: Form<Item>,
  options: TArrayOptions = {},
  check?: (items: readonly (Item | undefined)[], report: Report) => void,
): Form<readonly Item[]> {
  const checkOptions = compileCheck(Type.Array(Type.Unknown(), options))
  return {
    schema: Type.Array(item.schema, options),
    parse: (input, path, problems) => {
      const before = problems.length
      // Of a list that is too long nothing else is looked at: whether its items differ costs the square of their number.
      if (Array.isArray(input) && input.length > (options.maxItems ?? Infinity)) {
        problems.push({ path, message: tooManyItems(options.maxItems) })
        return undefined
      }
      problems.push(...checkOptions(input, path))
      if (!Array.isArray(input)) return undefined
      const items: (Item | undefined)[] = []
      for (const [index, element] of input.entries()) {
        if (problems.length >= maxProblems) return undefined
        items.push(item.parse(element, joinPath(path, index), problems))
      }
      check?.(items, reporter(path, problems))
      return problems.length === before ? (items as Item[]) : undefined
    },
    format: (items, whole) => items.map((value) => item.format(value, whole)),
  }
}

/** The entries of a map, in the order in which they are written. */
export type Entries<Value> = readonly (readonly [key: string, value: Value])[]

interface MapChecks<Value> {
  /** What a key must be; it is kept as it is written. */
  readonly key?: Form<string>
  /** Reports what does not go together, of the entries that could be read. */
  check?(entries: Entries<Value>, report: Report): void
}

/** A map by name. */
export function map<Value>(
  value: Form<Value>,
  options: TObjectOptions = {},
  { key: keyForm, check }: MapChecks<Value> = {},
): Form<Entries<Value>> {
  const checkOptions = compileCheck(Type.Record(Type.String(), Type.Unknown(), options))
  return {
    schema: Type.Record(Type.String(), value.schema, options),
    parse: (input, path, problems) => {
      const before = problems.length
      // As of lists: a body of a mebibyte has a hundred thousand entries.
      if (isMap(input) && Object.keys(input).length > (options.maxProperties ?? Infinity)) {
        problems.push({ path, message: tooManyEntries(options.maxProperties) })
        return undefined
      }
      problems.push(...checkOptions(input, path))
      if (!isMap(input)) return undefined
      const entries: [string, Value][] = []
      for (const [key, element] of Object.entries(input)) {
        if (problems.length >= maxProblems) return undefined
        const at = joinPath(path, key)
        keyForm?.parse(key, at, problems)
        const read = value.parse(element, at, problems)
        if (read !== undefined) entries.push([key, read])
      }
      check?.(entries, reporter(path, problems))
      return problems.length === before ? entries : undefined
    },
    format: (entries, whole) =>
      Object.fromEntries(entries.map(([key, element]) => [key, value.format(element, whole)])),
  }
}

/** An object, or a short form of it that is a scalar: what is written itself says which one is meant. */
export function either<Value>(
  short: Form<Value>,
  long: Form<Value>,
  {
    title,
    description,
    isShort,
  }: {
    /** As of a record. */
    readonly title?: string
    readonly description: string
    readonly isShort: (value: Value) => boolean
  },
): Form<Value> {
  const types = [(short.schema as { type?: string | string[] }).type ?? []].flat()
  const isOfType = (input: unknown) =>
    types.includes(typeof input) || (typeof input === 'number' && types.includes('integer'))
  return {
    schema: Type.Unsafe({
      ...(title === undefined ? {} : { title }),
      oneOf: [short.schema, long.schema],
      description,
    }),
    parse: (input, path, problems) => {
      if (isMap(input)) return long.parse(input, path, problems)
      const found: Problem[] = []
      const value = short.parse(input, path, found)
      if (isOfType(input)) problems.push(...found)
      else if (value === undefined) {
        const hint = isQuotable(types, input) ? quoting : ''
        problems.push({ path, message: `must be ${description}, not ${show(input)}${hint}` })
      }
      return value
    },
    format: (value, whole) => (isShort(value) ? short : long).format(value, whole),
  }
}

/** A form whose value the model keeps in another way. `read` may find it wrong: then it reports why. */
export function converted<From, To>(
  form: Form<From>,
  read: (value: From, path: string, problems: Problem[]) => To | undefined,
  write: (value: To) => From,
): Form<To> {
  return {
    schema: form.schema,
    parse: (input, path, problems) => {
      const from = form.parse(input, path, problems)
      if (from === undefined) return undefined
      const before = problems.length
      const to = read(from, path, problems)
      return problems.length === before ? to : undefined
    },
    format: (value, whole) => form.format(write(value), whole),
  }
}
