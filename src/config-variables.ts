/** Names of variables: those that are misspelt, and those that a file has. */
import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { nearestWord } from './controlplane/model/nearest-word.ts'

type Environment = Readonly<Record<string, string | undefined>>

const prefix = 'POOLDNS_'

/** Beside the settings: of the commands that go by a server. */
const ofCommands = ['POOLDNS_SERVER', 'POOLDNS_TOKEN', 'POOLDNS_TOKEN_FILE']

/**
 * What Kubernetes sets for a Service called pooldns, or pooldns-http: `POOLDNS_SERVICE_HOST`, `POOLDNS_PORT=tcp://10.0.0.1:53`,
 * `POOLDNS_PORT_53_UDP_ADDR`.
 */
function isOfKubernetes(name: string, value: string): boolean {
  if (/^POOLDNS_(?:\w+_)?SERVICE_(?:HOST|PORT(?:_\w+)?)$/.test(name)) return true
  if (/^POOLDNS_(?:\w+_)?PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/.test(name)) return true
  return /^POOLDNS_(?:\w+_)?PORT$/.test(name) && /^(?:tcp|udp|sctp):\/\//.test(value)
}

/** Variables that are most likely misspelt, a sentence each. Others that merely begin like ours are nobody's mistake. */
export function misspelt(environment: Environment, known: readonly string[]): string[] {
  const all = new Set([...known, ...ofCommands])
  return Object.entries(environment).flatMap(([name, value = '']) => {
    if (!name.startsWith(prefix) || value === '' || all.has(name) || isOfKubernetes(name, value)) return []
    const nearest = nearestWord(name, all)
    return nearest === null ? [] : [`${name} is no variable; did you mean ${nearest}?`]
  })
}

/** What a file says that the environment does not: an empty variable there says nothing. @throws Error that names the line */
export function unsaidVariables(path: string, around: Environment, known: readonly string[]): Environment {
  const said = (name: string) => (around[name] ?? '') !== ''
  // A secret has two names.
  const isSaid = (name: string) => said(name) || said(`${name}_FILE`) || said(name.replace(/_FILE$/, ''))
  return Object.fromEntries(Object.entries(readVariables(path, known)).filter(([name]) => !isSaid(name)))
}

/** Octets of a file with variables; the settings are some forty lines. */
const longestFile = 1024 * 1024

/**
 * The variables of a file: lines `NAME=value`, as systemd and containers take them; `#` begins a comment.
 *
 * @param known every other name is a mistake
 * @throws Error that names the line
 */
function readVariables(path: string, known: readonly string[]): Record<string, string> {
  const text = readFileSync(path, 'utf8')
  if (text.length > longestFile) throw new Error(`${path} is larger than ${longestFile} octets`)
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*(?:#.*)?\r?$/.test(line)) continue
    const name = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=/.exec(line)?.[1]
    const at = `${path}:${index + 1}`
    if (name === undefined) throw new Error(`${at}: this is no NAME=value`)
    if (known.includes(name)) continue
    const nearest = nearestWord(name, known)
    throw new Error(`${at}: ${name} is no variable${nearest === null ? '' : `; did you mean ${nearest}?`}`)
  }
  return parseEnv(text) as Record<string, string>
}
