/** `pooldns convert`: the configuration of another server as a document. */
import { type Command, type CommandGroup, defineCommand } from '../frame/command.ts'
import type { Draft } from './draft.ts'
import { finish } from './finish.ts'

/** The document lacks something of what it was made from. */
const incompleteCode = 3

const notes =
  'Writes the document to standard output, and what could not be carried over to standard error, as well as into comments of the document. ' +
  'Exits with 0 when everything was carried over, with 3 when something was left out, and with 1, and no document, when a file can not be read.'

async function write(work: Promise<Draft>, from: string): Promise<void> {
  const { text, remarks, complete } = finish(await work, from)
  if (remarks.length > 0) process.stderr.write(`${remarks.join('\n')}\n`)
  process.stdout.write(text)
  if (!complete) process.exitCode = incompleteCode
}

const gdnsd: Command = defineCommand({
  arguments: {
    dir: { summary: 'the folder that has "config" and "zones", as /etc/gdnsd', completes: 'folder' },
  },
  options: {},
  examples: [
    { line: 'pooldns convert gdnsd /etc/gdnsd > config.yaml', does: 'what gdnsd serves, as a document' },
  ],
  notes,
  async run({ dir }) {
    const { convertGdnsd } = await import('./gdnsd/gdnsd.ts')
    await write(convertGdnsd(dir), dir)
  },
})

const powerdns: Command = defineCommand({
  arguments: {
    files: {
      summary: 'master files with LUA records, or what "pdnsutil list-zone" prints',
      need: 'several',
      completes: 'file',
    },
  },
  options: {
    locations: {
      type: 'string',
      value: 'FILE',
      summary: 'location data (.mmdb) of PowerDNS, for records with pickclosest',
      completes: 'file',
    },
  },
  examples: [
    {
      line: 'pooldns convert powerdns example.org.zone > config.yaml',
      does: 'a zone and its LUA records, as a document',
    },
  ],
  notes: `${notes} The zone of a file is where its SOA stands, or what the file is named for.`,
  async run({ files }, { locations }) {
    const { convertPowerdns } = await import('./powerdns/powerdns.ts')
    await write(convertPowerdns(files, { locations: locations ?? null }), files.join(', '))
  },
})

const route53: Command = defineCommand({
  arguments: {
    files: {
      summary: 'JSON of "aws route53 list-resource-record-sets", and of "list-health-checks"',
      need: 'several',
      completes: 'file',
    },
  },
  options: {},
  examples: [
    {
      line: 'pooldns convert route53 zone.json checks.json > config.yaml',
      does: 'a hosted zone as a document',
    },
  ],
  notes,
  async run({ files }) {
    const { convertRoute53 } = await import('./route53/route53.ts')
    await write(convertRoute53(files), files.join(', '))
  },
})

const bind: Command = defineCommand({
  arguments: { file: { summary: 'a named.conf', completes: 'file' } },
  options: {
    folder: {
      type: 'string',
      value: 'DIR',
      summary: 'the folder that files may be read from; that of the named.conf when left out',
      completes: 'folder',
    },
  },
  examples: [
    {
      line: 'pooldns convert bind /etc/bind/named.conf > config.yaml',
      does: 'the zones that it is primary for, as a document',
    },
  ],
  notes,
  async run({ file }, { folder }) {
    const { convertBind } = await import('./bind/bind.ts')
    await write(convertBind(file, { folder: folder ?? null }), file)
  },
})

/** One for each server. */
export const convert: CommandGroup = {
  commands: [
    { name: 'gdnsd', summary: 'a folder of gdnsd, with its zones and plugins', load: async () => gdnsd },
    { name: 'powerdns', summary: 'zones of PowerDNS with their LUA records', load: async () => powerdns },
    {
      name: 'route53',
      summary: 'a hosted zone of Route 53 with its health checks',
      load: async () => route53,
    },
    { name: 'bind', summary: 'the zones of a named.conf', load: async () => bind },
  ],
}
