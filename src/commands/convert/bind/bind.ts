/** BIND: the zones that a named.conf has as `type primary`, from their master files. */
import { realpath } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, sep } from 'node:path'
import { UsageError } from '../../../config.ts'
import { parseHostname } from '../../../dataplane/wire/name.ts'
import { TextError } from '../../../dataplane/wire/text-error.ts'
import { Draft, type Place } from '../draft.ts'
import { Input, SyntaxProblem } from '../input.ts'
import { ZoneSources } from '../zone-source.ts'
import { readNamedConf, type Statement } from './named-conf.ts'

export interface BindOptions {
  /** What may be read: that and what lies below. The folder of the named.conf when it is null. */
  readonly folder: string | null
}

/** Statements that say how the process runs, and nothing of what is answered. */
const ofProcess: ReadonlySet<string> = new Set(
  (
    'controls logging statistics-channels trusted-keys managed-keys trust-anchors key acl masters primaries parental-agents server tls http ' +
    'directory pid-file session-keyfile session-keyname session-keyalg dump-file statistics-file memstatistics-file recursing-file secroots-file bindkeys-file ' +
    'managed-keys-directory key-directory listen-on listen-on-v6 port querylog recursion allow-recursion allow-recursion-on allow-query-cache ' +
    'allow-query-cache-on dnssec-validation version hostname server-id recursive-clients tcp-clients interface-interval max-cache-size cleaning-interval ' +
    'max-cache-ttl max-ncache-ttl lame-ttl zone-statistics transfer-format transfers-in transfers-out transfers-per-ns cookie-algorithm cookie-secret ' +
    'auth-nxdomain empty-zones-enable prefetch edns-udp-size max-udp-size stale-answer-enable dnstap dnstap-output lock-file geoip-directory query-source query-source-v6 ' +
    'transfer-source transfer-source-v6 notify-source notify-source-v6 check-names masterfile-format masterfile-style max-journal-size journal'
  ).split(' '),
)

/** Why types of zones other than primary are not carried over. */
const otherTypes: Readonly<Record<string, string>> = {
  hint: 'hints are for resolvers, and this is none',
  forward: 'questions are not forwarded',
  slave: 'zones are not transferred in: take its master file in with "pooldns import-zone"',
  secondary: 'zones are not transferred in: take its master file in with "pooldns import-zone"',
  mirror: 'zones are not transferred in',
  stub: 'zones are not transferred in',
  'static-stub': 'questions are not forwarded',
  redirect: 'names that do not exist are answered with NXDOMAIN',
  'delegation-only': 'it is for resolvers, and this is none',
}

const signedAfterwards = 'a zone is signed once it is here, by "pooldns dnssec"'

/** Why statements are left out that say more of answers than where zones come from. */
const reasons: Readonly<Record<string, string>> = {
  'rrset-order': 'RRsets are answered in their order, and members of pools in turn',
  sortlist: 'there is no sortlist; a service can steer by "geo" and "nearest"',
  'dnssec-policy': signedAfterwards,
  'auto-dnssec': signedAfterwards,
  'inline-signing': signedAfterwards,
  'dnssec-dnskey-kskonly': signedAfterwards,
  'allow-update': 'there are no dynamic updates',
  'update-policy': 'there are no dynamic updates',
  'allow-transfer': 'there are no zone transfers',
  'also-notify': 'there are no zone transfers',
  notify: 'there are no zone transfers',
  'allow-query': 'whoever asks is answered',
  'rate-limit': 'responses are limited by POOLDNS_RRL',
  'minimal-responses': 'answers have nothing that was not asked for but what must be there',
  'response-policy': 'there are no response policies',
  forwarders: 'questions are not forwarded',
  dlz: 'zones come from master files and documents',
}

interface ZoneStatement {
  readonly apex: string
  readonly file: string
  readonly place: Place
}

/** @throws Error with all that is wrong with the files, UsageError for what can't be read */
export async function convertBind(file: string, { folder }: BindOptions): Promise<Draft> {
  const draft = new Draft()
  const input = new Input()
  const limit = await realFolder(folder ?? dirname(file))
  const statements = await readNamedConf(file, limit, input).catch((error: unknown) => {
    if (!(error instanceof SyntaxProblem)) throw error
    input.problem(error.place, error.message)
    return []
  })
  const reading = new ConfReading(draft, input)
  for (const statement of statements) reading.take(statement)
  reading.tellProcess()
  input.end()
  // Relative names are relative to the folder that BIND works in; one that is relative itself, to that of the named.conf.
  const directory = reading.directory ?? '.'
  const base = isAbsolute(directory) ? directory : join(dirname(file), directory)
  const sources = new ZoneSources(input, draft, { types: [] })
  for (const zone of reading.zones) {
    const path = isAbsolute(zone.file) ? zone.file : join(base, zone.file)
    try {
      if (isOutside(limit, await realpath(path)))
        throw new Error(`it is outside of ${limit}: say --folder if it is meant to be read`)
      await sources.add(path, zone.apex, { base, limit })
    } catch (error) {
      if (error instanceof UsageError) throw error
      input.problem(
        zone.place,
        `zone ${zone.apex}: ${path}: ${error instanceof Error ? error.message : String(error)}`,
      )
    }
  }
  input.end()
  return draft
}

async function realFolder(folder: string): Promise<string> {
  return realpath(folder).catch((error: unknown) => {
    throw new UsageError(`${folder}: ${error instanceof Error ? error.message : String(error)}`)
  })
}

function isOutside(folder: string, real: string): boolean {
  const way = relative(folder, real)
  return way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)
}

class ConfReading {
  readonly #draft: Draft
  readonly #input: Input
  readonly zones: ZoneStatement[] = []
  directory: string | null = null
  #views = 0
  /** Of the process: the first place of each. */
  readonly #process = new Map<string, Place>()

  constructor(draft: Draft, input: Input) {
    this.#draft = draft
    this.#input = input
  }

  take(statement: Statement): void {
    const [word = ''] = statement.words
    if (word === 'zone') this.#zone(statement)
    else if (word === 'view') this.#view(statement)
    else if (word !== 'options') this.#option(statement, null)
    else for (const option of statement.block ?? []) this.#option(option, 'options')
  }

  /** One line for all of them: nobody wants to read each. */
  tellProcess(): void {
    const [first] = this.#process.values()
    if (first === undefined) return
    this.#draft.differs(
      first,
      [...this.#process.keys()].join(', '),
      'how the process runs is said by variables of "pooldns serve"',
    )
  }

  #option(statement: Statement, inside: string | null): void {
    const [word = '', value] = statement.words
    if (word === 'directory' && value !== undefined) this.directory = value
    if (ofProcess.has(word)) {
      if (!this.#process.has(word)) this.#process.set(word, statement.place)
      return
    }
    const what = inside === null ? word : `${inside}: ${[word, ...statement.words.slice(1)].join(' ')}`
    this.#draft.leftOut(statement.place, what, reasons[word] ?? 'it is not known here')
  }

  #view(statement: Statement): void {
    const name = statement.words[1] ?? ''
    const block = statement.block ?? []
    const chooses = block.filter(({ words: [word] }) => word?.startsWith('match-'))
    const isForAll = chooses.every(
      ({ words: [word], block: list }) =>
        word === 'match-clients' && list?.length === 1 && list[0]!.words[0] === 'any',
    )
    this.#views++
    if (isForAll && this.#views === 1) {
      for (const inner of block) if (!chooses.includes(inner)) this.take(inner)
      return
    }
    const zones = block.flatMap(({ words: [word, zone] }) =>
      word === 'zone' && zone !== undefined ? [zone] : [],
    )
    this.#draft.leftOut(
      statement.place,
      `view ${name}, with ${zones.length === 0 ? 'no zones' : `zones ${zones.join(', ')}`}`,
      'every client sees the same zones; a service can choose by the network of a client (steer: geo, cidr)',
    )
  }

  #zone(statement: Statement): void {
    const [, name, zoneClass = 'IN'] = statement.words
    const block = statement.block ?? []
    const setting = (key: string) => block.find(({ words: [word] }) => word === key)?.words[1]
    const file = setting('file')
    const what = `zone ${name ?? ''}`
    const apex = this.#apexOf(name, statement.place)
    if (apex === null) return
    const why = whyNot(zoneClass, setting('type'), file)
    if (why !== null || file === undefined) {
      this.#draft.leftOut(statement.place, what, why ?? 'it has no file')
      return
    }
    for (const inner of block) if (!['type', 'file'].includes(inner.words[0] ?? '')) this.#option(inner, what)
    this.zones.push({ apex, file, place: statement.place })
  }

  #apexOf(name: string | undefined, place: Place): string | null {
    try {
      return parseHostname(name ?? '')
    } catch (error) {
      if (!(error instanceof TextError)) throw error
      this.#input.problem(place, `the name of the zone: ${error.message}`)
      return null
    }
  }
}

/** Why a zone can't be carried over; null when it can. */
function whyNot(zoneClass: string, type: string | undefined, file: string | undefined): string | null {
  if (zoneClass.toUpperCase() !== 'IN') return `class ${zoneClass} is not served; the only one is IN`
  if (type === undefined) return 'it has no type'
  if (type !== 'primary' && type !== 'master') return otherTypes[type] ?? `the type ${type} is not known here`
  return file === undefined ? 'it has no file' : null
}
