/** `pooldns dnssec`: zones that are signed. */
import { readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { UsageError } from '../config.ts'
import { type BindKey, bindKeyName, parseBindKey } from '../controlplane/dnssec/bind-key.ts'
import {
  keyLayouts,
  keyRoles,
  type SigningAlgorithm,
  signingAlgorithms,
} from '../controlplane/model/dnssec.ts'
import { ControlError } from '../controlplane/model/errors.ts'
import { printable } from '../terminal-text.ts'
import type { ApiClient } from './api-client.ts'
import { type DnssecReply, dsFormats, dsLines, statusLines, unusedLines } from './dnssec-text.ts'
import { type CommandGroup, defineCommand } from './frame/command.ts'
import { jsonOption } from './frame/shared-options.ts'
import { printJson } from './frame/terminal.ts'
import { serverOptions, theServer } from './server-choice.ts'
import { parseApex } from './zone-files.ts'

const zoneArgument = { zone: { summary: 'the name of the zone' } } as const

const enable = defineCommand({
  arguments: zoneArgument,
  options: {
    algorithm: {
      type: 'string',
      value: 'NUMBER',
      choices: ['13', '15'],
      summary:
        '13 (ECDSA P-256), which every validator knows, or 15 (Ed25519); unless said otherwise that of the keys that it has, else 13',
    },
    denial: {
      type: 'string',
      value: 'KIND',
      choices: ['nsec', 'nsec3'],
      summary:
        'nsec, by which anybody can find all names of the zone, or nsec3, which hides them; nsec unless the zone has another',
    },
    keys: {
      type: 'string',
      value: 'LAYOUT',
      choices: keyLayouts,
      summary:
        'csk, one key for all, or split, one for keys (KSK) and one for the rest (ZSK); unless said otherwise as the keys are that it has, else csk',
    },
    bootstrap: {
      type: 'string',
      value: 'WHETHER',
      choices: ['on', 'off'],
      summary:
        'on or off: whether its parent is told of it under the names of its name servers (RFC 9615), as far as they lie in zones that are signed here; on unless the zone has it off',
    },
    ...jsonOption,
    ...serverOptions,
  },
  examples: [
    {
      line: 'pooldns dnssec enable example.org',
      does: 'signs all that is in the zone, and shows the DS for its parent',
    },
    {
      line: 'pooldns dnssec enable example.org --denial nsec3',
      does: 'the same with hashes in the place of names; of a zone that is signed it changes that alone',
    },
  ],
  notes: 'Until the parent has that DS nobody validates, so nothing can break; take your time to look at it.',
  async run({ zone }, { algorithm, denial, keys, bootstrap, json = false, ...given }) {
    const apex = parseApex(zone)
    const server = theServer(given, process.env)
    const current = await ask(server, apex)
    // What is not said stays as it is in a zone that is signed.
    const body = {
      enabled: true,
      ...(current.enabled ? {} : kindOfKeys(current)),
      ...(algorithm === undefined ? {} : { algorithm: algorithmOf(algorithm) }),
      ...(denial === undefined ? {} : { denial }),
      ...(keys === undefined ? {} : { keys }),
      ...(bootstrap === undefined ? {} : { bootstrap: bootstrap === 'on' }),
    }
    const reply = await ask(server, apex, '', { method: 'PATCH', body })
    if (json) return printJson(reply)
    const trouble = reply.status.signatures?.trouble ?? null
    if (trouble !== null) throw new Error(`zone ${apex} is to be signed, and can't be: ${trouble}`)
    const lines = ['signed. Its parent is to have:', ...dsLines(apex, reply, 'ds'), ...unusedLines(reply)]
    process.stdout.write(`${lines.join('\n')}\n`)
  },
})

const disable = defineCommand({
  arguments: zoneArgument,
  options: {
    force: { type: 'boolean', summary: 'whatever the parent says, and in the middle of a rollover' },
    ...serverOptions,
  },
  examples: [{ line: 'pooldns dnssec disable example.org', does: 'unless its parent still has a DS' }],
  notes:
    'While the parent has a DS, validators take a zone without signatures for bogus: have the DS taken away first, and wait until it is out of ' +
    'caches, or let "dnssec roll --unsigned" do both. The key is kept: "dnssec enable" signs with it again.',
  async run({ zone }, { force = false, ...given }) {
    const apex = parseApex(zone)
    const query = force ? '?force=true' : ''
    await theServer(given, process.env).ask(`${pathOf(apex)}${query}`, { method: 'DELETE' })
    process.stdout.write(`zone ${apex} is not signed any more; its keys are kept\n`)
  },
})

const status = defineCommand({
  arguments: zoneArgument,
  options: { ...jsonOption, ...serverOptions },
  examples: [
    { line: 'pooldns dnssec status example.org', does: 'its keys, and until when its signatures are good' },
  ],
  async run({ zone }, { json = false, ...given }) {
    const apex = parseApex(zone)
    const reply = await ask(theServer(given, process.env), apex)
    if (json) printJson(reply)
    else process.stdout.write(`${statusLines(apex, reply).map(printable).join('\n')}\n`)
  },
})

const roll = defineCommand({
  arguments: zoneArgument,
  options: {
    key: {
      type: 'string',
      value: 'ROLE',
      choices: keyRoles,
      summary: 'which key gets a successor: csk, ksk or zsk; all unless said otherwise',
    },
    algorithm: {
      type: 'string',
      value: 'NUMBER',
      choices: ['13', '15'],
      summary: 'the algorithm of the new keys; the same unless said otherwise',
    },
    keys: {
      type: 'string',
      value: 'LAYOUT',
      choices: keyLayouts,
      summary: 'csk or split: which keys there are afterwards; the same unless said otherwise',
    },
    unsigned: {
      type: 'boolean',
      summary: 'no new keys: ask the parent to take the DS away, then sign no more',
    },
    cancel: { type: 'boolean', summary: 'take the rollover back that is under way' },
    'ds-seen': {
      type: 'boolean',
      summary: 'say that the parent has the DS that it is to have, where this server can not ask it',
    },
    ...jsonOption,
    ...serverOptions,
  },
  examples: [
    {
      line: 'pooldns dnssec roll example.org',
      does: 'begins to put another key in the place of the one that there is',
    },
    {
      line: 'pooldns dnssec roll example.org --key zsk',
      does: 'of a zone with two, the one that the parent does not know',
    },
    {
      line: 'pooldns dnssec roll example.org --algorithm 15',
      does: 'takes it from one algorithm to another',
    },
  ],
  notes:
    'It takes hours to days, goes on by itself, and never has anybody take the zone for bogus. "dnssec status" says what it waits for. ' +
    'Where the parent does not look for CDS itself, give it what "dnssec ds" says once "dnssec status" waits for it.',
  async run({ zone }, { cancel = false, 'ds-seen': dsSeen = false, json = false, ...rest }) {
    const apex = parseApex(zone)
    const { key, algorithm, keys, unsigned = false, ...given } = rest
    const wanted = {
      ...(key === undefined ? {} : { key }),
      ...(algorithm === undefined ? {} : { algorithm: algorithmOf(algorithm) }),
      ...(keys === undefined ? {} : { keys }),
      ...(unsigned ? { unsigned } : {}),
    }
    const isBegun = !cancel && !dsSeen
    if ((cancel && dsSeen) || (!isBegun && Object.keys(wanted).length > 0))
      throw new UsageError('--cancel and --ds-seen each stand alone')
    const path = isBegun ? '/roll' : cancel ? '/cancel-roll' : '/ds-seen'
    const init = { method: 'POST', ...(isBegun ? { body: wanted } : {}) }
    const reply = await ask(theServer(given, process.env), apex, path, init)
    if (json) printJson(reply)
    else process.stdout.write(`${statusLines(apex, reply).map(printable).join('\n')}\n`)
  },
})

const ds = defineCommand({
  arguments: zoneArgument,
  options: {
    format: {
      type: 'string',
      value: 'FORMAT',
      choices: dsFormats,
      summary:
        'ds or dnskey for the parent, delv or unbound for who trusts the key itself; ds unless said otherwise',
    },
    ...serverOptions,
  },
  examples: [
    { line: 'pooldns dnssec ds example.org', does: 'what to give to the registrar' },
    {
      line: 'pooldns dnssec ds example.org --format delv > anchors',
      does: 'for "delv @ADDRESS -a anchors +root=example.org NAME"',
    },
  ],
  async run({ zone }, { format = 'ds', ...given }) {
    const apex = parseApex(zone)
    const reply = await ask(theServer(given, process.env), apex)
    const lines = dsLines(apex, reply, dsFormats.find((each) => each === format)!)
    if (lines.length === 0) throw new UsageError(`zone ${apex} is not signed`)
    process.stdout.write(`${lines.join('\n')}\n`)
  },
})

const importKey = defineCommand({
  arguments: {
    ...zoneArgument,
    file: { summary: 'one of the two files K*.key and K*.private, or their name without that' },
  },
  options: {
    role: {
      type: 'string',
      value: 'ROLE',
      choices: keyRoles,
      summary: 'csk, ksk or zsk; unless said otherwise zsk for a key of flags 256, else csk',
    },
    ...serverOptions,
  },
  examples: [
    {
      line: 'pooldns dnssec import-key example.org Kexample.org.+013+12345',
      does: 'so that the DS that the parent has stays good when the zone is signed here',
    },
  ],
  notes:
    'It takes the admin token. The zone must not be signed here yet; "dnssec enable" then signs with this key.',
  async run({ zone, file }, { role, ...given }) {
    const apex = parseApex(zone)
    const name = file.replace(/\.(?:key|private)$/, '')
    const [key, secret] = await Promise.all([read(`${name}.key`), read(`${name}.private`)])
    checkKeyName(apex, name, { key, private: secret })
    await ask(theServer(given, process.env), apex, '/import-key', {
      method: 'POST',
      body: { key, private: secret, ...(role === undefined ? {} : { role }) },
    })
  },
})

const exportKey = defineCommand({
  arguments: zoneArgument,
  options: {
    tag: { type: 'string', value: 'TAG', summary: 'of the key; the one that signs when left out' },
    directory: {
      type: 'string',
      value: 'FOLDER',
      short: 'o',
      summary: 'where the two files go; here when left out',
      completes: 'file',
    },
    ...serverOptions,
  },
  examples: [
    {
      line: 'pooldns dnssec export-key example.org',
      does: 'two files as BIND has them, for you alone to read',
    },
  ],
  notes: 'It takes the admin token. Whoever has the file K*.private can sign for the zone.',
  async run({ zone }, { tag, directory = '.', ...given }) {
    const apex = parseApex(zone)
    if (tag !== undefined && !/^\d{1,5}$/.test(tag))
      throw new UsageError(`--tag: "${tag}" is no tag of a key`)
    const query = tag === undefined ? '' : `?tag=${tag}`
    const server = theServer(given, process.env)
    const response = await server.ask(`${pathOf(apex)}/export-key${query}`, { method: 'POST' })
    const found = (await response.json()) as Readonly<Record<'name' | 'key' | 'private', string>>
    // A name has what its zone has, and a zone may have a slash.
    const path = join(directory, found.name.replaceAll(/[/\\]/g, '_'))
    await writeFile(`${path}.private`, found.private, { mode: 0o600, flag: 'wx' })
    await writeFile(`${path}.key`, found.key, { mode: 0o644, flag: 'wx' })
    process.stdout.write(`${printable(path)}\n`)
  },
})

export const dnssec: CommandGroup = {
  commands: [
    { name: 'enable', summary: 'have a zone signed', load: async () => enable },
    { name: 'disable', summary: 'have it signed no more', load: async () => disable },
    { name: 'status', summary: 'keys, and until when signatures are good', load: async () => status },
    { name: 'roll', summary: 'put other keys in the place of those that there are', load: async () => roll },
    { name: 'ds', summary: 'what the parent, or a validator, is to know', load: async () => ds },
    { name: 'import-key', summary: 'take in a key of BIND', load: async () => importKey },
    { name: 'export-key', summary: 'write a key as BIND has it', load: async () => exportKey },
  ],
}

/** How a zone is to be signed so that the keys that were imported, or signed it before, do it, the newest first: the parent may have a DS of them. */
function kindOfKeys({ status }: DnssecReply): { readonly algorithm?: number; readonly keys?: string } {
  const [newest] = status.keys
  if (newest === undefined) return {}
  return { algorithm: newest.algorithm, keys: newest.role === 'csk' ? 'csk' : 'split' }
}

/** What a name of BIND's says of a key, it is: else somebody has mixed files up. The server says what else is wrong with it. */
function checkKeyName(apex: string, path: string, texts: BindKey): void {
  const name = basename(path)
  if (!/^K.+\+\d{3}\+\d{5}$/.test(name)) return
  let is: string
  try {
    is = bindKeyName(apex, parseBindKey(apex, texts))
  } catch (error) {
    throw error instanceof ControlError ? new UsageError(`${path}: ${error.message}`) : error
  }
  if (name.toLowerCase() !== is.toLowerCase().replaceAll(/[/\\]/g, '_'))
    throw new UsageError(`${path}: by its name it is another key than by its contents, which are of ${is}`)
}

/** One of the choices. */
function algorithmOf(text: string): SigningAlgorithm {
  return signingAlgorithms.find((each) => String(each) === text)!
}

function pathOf(apex: string): string {
  return `/v1/zones/${apex === '.' ? '@' : encodeURIComponent(apex)}/dnssec`
}

async function ask(
  server: ApiClient,
  apex: string,
  path = '',
  init: { readonly method?: string; readonly body?: unknown } = {},
): Promise<DnssecReply> {
  const { body, ...rest } = init
  const sent =
    body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const response = await server.ask(`${pathOf(apex)}${path}`, { ...rest, ...sent })
  return (await response.json()) as DnssecReply
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new UsageError(`${path} can't be read: ${(error as Error).message}`)
  }
}
