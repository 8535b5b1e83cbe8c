/** Terraform's language, read by HashiCorp's own parser: what a module says, and what in it fits neither itself nor the provider. */
import { getReferencesInExpression, parse } from '@cdktn/hcl2json'

// biome-ignore lint/suspicious/noExplicitAny: of any form
type Body = Readonly<Record<string, any>>

export interface Module {
  /** By kind and type, such as `aws_vpc` and `data.aws_availability_zones`; then by name. */
  readonly resources: Readonly<Record<string, Readonly<Record<string, Body>>>>
  readonly variables: Readonly<Record<string, Body>>
  readonly locals: Readonly<Record<string, unknown>>
  readonly outputs: Readonly<Record<string, Body>>
  /** Everything, for references. */
  readonly all: readonly Body[]
}

/** @param files texts by their names @throws Error of the parser, with file, line and column */
export async function readModule(files: Readonly<Record<string, string>>): Promise<Module> {
  const all: Body[] = []
  for (const [name, text] of Object.entries(files)) all.push(await parse(name, text))
  const resources: Record<string, Record<string, Body>> = {}
  const add = (prefix: string, kinds: Body = {}) => {
    for (const [type, named] of Object.entries(kinds))
      for (const [name, [body]] of Object.entries<[Body]>(named))
        resources[prefix + type] = { ...resources[prefix + type], [name]: body }
  }
  for (const { resource, data, ephemeral } of all) {
    add('', resource)
    add('data.', data)
    add('ephemeral.', ephemeral)
  }
  const named = (kind: string) =>
    Object.assign({}, ...all.map((file) => file[kind] ?? {})) as Record<string, [Body]>
  const first = (kind: string) =>
    Object.fromEntries(Object.entries(named(kind)).map(([name, [body]]) => [name, body]))
  const locals = Object.assign({}, ...all.flatMap((file) => file.locals ?? []))
  return { resources, variables: first('variable'), locals, outputs: first('output'), all }
}

interface Argument {
  readonly required?: boolean
  readonly block?: Readonly<Record<string, Argument>>
}

export interface ProviderSchema {
  readonly resources: Readonly<
    Record<
      string,
      { readonly arguments: Readonly<Record<string, Argument>>; readonly asked: readonly string[] }
    >
  >
}

/** Of every resource, and no argument. */
const meta = ['count', 'for_each', 'depends_on', 'lifecycle', 'provider', 'dynamic']

/** Arguments that the provider does not have, or wants and does not get, a line each. */
export function providerErrors({ resources }: Module, schema: ProviderSchema): string[] {
  return Object.entries(resources).flatMap(([type, named]) => {
    if (!type.replace('data.', '').startsWith('aws_')) return []
    const known = schema.resources[type]
    if (known === undefined)
      return [`${type}: not in the provider's schema; .ci/aws-provider-schema.mjs adds it`]
    return Object.entries(named).flatMap(([name, body]) =>
      bodyErrors(`${type}.${name}`, body, known.arguments),
    )
  })
}

function bodyErrors(at: string, body: Body, known: Readonly<Record<string, Argument>>): string[] {
  const dynamic = Object.entries<Body[]>(body.dynamic ?? {}).map(([name, blocks]) => [
    name,
    blocks.flatMap(({ content }) => content),
  ])
  const said: Body = { ...Object.fromEntries(dynamic), ...body }
  const wrong = Object.entries(known)
    .filter(([name, { required }]) => required === true && !(name in said))
    .map(([name]) => `${at}: ${name} is missing`)
  for (const [name, value] of Object.entries(said)) {
    if (meta.includes(name)) continue
    const argument = known[name]
    if (argument === undefined) wrong.push(`${at}: there is no ${name}`)
    else if (argument.block !== undefined && Array.isArray(value))
      for (const each of value)
        if (typeof each === 'object') wrong.push(...bodyErrors(`${at}.${name}`, each, argument.block))
  }
  return wrong
}

/** References to what is nowhere, a line each, and variables that nobody uses. */
export async function referenceErrors(module: Module, schema: ProviderSchema): Promise<string[]> {
  const wrong: string[] = []
  const used = new Set<string>()
  for (const expression of new Set(module.all.flatMap(expressionsOf))) {
    const references = await getReferencesInExpression('module.tf', expression)
    for (const { value } of references) {
      const [, kind, name] = /^(var|local)\.(\w+)/.exec(value) ?? []
      if (kind === 'var') used.add(name!)
      const missing =
        kind === undefined ? resourceError(value, module, schema) : missingName(kind, name!, module)
      if (missing !== null) wrong.push(`${value}: ${missing}`)
    }
  }
  const unused = Object.keys(module.variables).filter((name) => !used.has(name))
  return [...new Set(wrong), ...unused.map((name) => `var.${name}: nobody uses it`)]
}

function missingName(kind: string, name: string, { variables, locals }: Module): string | null {
  return name in (kind === 'var' ? variables : locals) ? null : 'it is declared nowhere'
}

function resourceError(value: string, { resources }: Module, schema: ProviderSchema): string | null {
  const [, type, name, attribute] =
    /^((?:data\.|ephemeral\.)?(?:aws|random)_\w+)\.(\w+)(?:\[[^\]]*\])?(?:\.(\w+))?/.exec(value) ?? []
  if (type === undefined) return null
  if (resources[type]?.[name!] === undefined) return 'there is no such resource'
  const asked = schema.resources[type]?.asked
  return attribute === undefined || asked === undefined || asked.includes(attribute)
    ? null
    : `the provider tells no ${attribute}`
}

/** Texts with `${`, wherever they stand. */
function expressionsOf(value: unknown): string[] {
  if (typeof value === 'string') return value.includes('${') ? [value] : []
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(expressionsOf)
  return []
}
