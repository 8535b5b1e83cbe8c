/** Every command, in the order in which they are listed. What one needs is loaded when it is called. */
import type { ListedCommand } from './frame/command.ts'

const server = 'The server'
const see = 'See'
const act = 'Act'
const change = 'Change'
const zones = 'Zones'
const access = 'Access'
const shell = 'Your shell'

export const allCommands: readonly ListedCommand[] = [
  {
    name: 'serve',
    summary: 'answer DNS',
    heading: server,
    load: async () => (await import('./serve-help.ts')).serve,
  },
  {
    name: 'restart',
    summary: 'replace the processes of a running server by what is installed now, while it answers',
    heading: server,
    load: async () => (await import('./restart.ts')).restart,
  },
  {
    name: 'migrate',
    summary: 'bring the schema of DATABASE_URL up to date',
    heading: server,
    load: async () => (await import('./migrate.ts')).migrate,
  },
  {
    name: 'agent',
    summary: 'run a check on a member, and report what it exits with to every server',
    heading: server,
    load: async () => (await import('./agent.ts')).agentCommand,
  },
  {
    name: 'status',
    summary: 'what is down, since when, why, and what is answered instead',
    heading: see,
    load: async () => (await import('./status.ts')).status,
  },
  {
    name: 'events',
    summary: 'what happened, and what is happening',
    heading: see,
    load: async () => (await import('./events.ts')).events,
  },
  {
    name: 'explain',
    summary: 'what a running server answers, and why',
    heading: see,
    load: async () => (await import('./explain.ts')).explain,
  },
  {
    name: 'zones',
    summary: 'all zones',
    heading: see,
    load: async () => (await import('./lists.ts')).zones,
  },
  {
    name: 'pools',
    summary: 'all pools, and how many of their members are up',
    heading: see,
    load: async () => (await import('./lists.ts')).pools,
  },
  {
    name: 'services',
    summary: 'all services, and what they are answered from',
    heading: see,
    load: async () => (await import('./lists.ts')).services,
  },
  {
    name: 'get',
    summary: 'one zone, pool, member, service, monitor, feed or webhook',
    heading: see,
    load: async () => (await import('./get.ts')).get,
  },
  {
    name: 'feeds',
    summary: 'all feeds, and how those do that the server reads itself',
    heading: see,
    load: async () => (await import('./lists.ts')).feeds,
  },
  {
    name: 'feed',
    summary: 'the rows of a feed, and a chart of them',
    heading: see,
    load: async () => (await import('./feed.ts')).feed,
  },
  {
    name: 'queries',
    summary: 'the query log: who asked for what, and what was answered',
    heading: see,
    load: async () => (await import('./queries.ts')).queries,
  },
  {
    name: 'edit',
    summary: 'the same in your editor',
    heading: act,
    load: async () => (await import('./edit.ts')).edit,
  },
  {
    name: 'drain',
    summary: 'take members out of the answers before you work on them',
    heading: act,
    load: async () => (await import('./override.ts')).drain,
  },
  {
    name: 'up',
    summary: 'answer with members whatever their probes say',
    heading: act,
    load: async () => (await import('./override.ts')).up,
  },
  {
    name: 'down',
    summary: 'take members for down whatever their probes say',
    heading: act,
    load: async () => (await import('./override.ts')).down,
  },
  {
    name: 'undrain',
    summary: 'take back what drain, up or down said',
    heading: act,
    load: async () => (await import('./override.ts')).undrain,
  },
  {
    name: 'fail-back',
    summary: 'let a member back that answers again and waits for it',
    heading: act,
    load: async () => (await import('./fail-back.ts')).failBack,
  },
  {
    name: 'forget-node',
    summary: 'say that servers which are silent are gone for good',
    heading: act,
    load: async () => (await import('./forget-node.ts')).forgetNode,
  },
  {
    name: 'import-feed',
    summary: 'rows from a CSV file of any size, or from JSON, into a feed',
    heading: act,
    load: async () => (await import('./import-feed.ts')).importFeed,
  },
  {
    name: 'plan',
    summary: 'what applying a document would change',
    heading: change,
    load: async () => (await import('./document/apply.ts')).plan,
  },
  {
    name: 'apply',
    summary: 'make the configuration what a document says',
    heading: change,
    load: async () => (await import('./document/apply.ts')).apply,
  },
  {
    name: 'gradual',
    summary: 'changes that are made in steps: list, show, watch, pause, resume, finish, go-back',
    heading: change,
    load: async () => (await import('./gradual.ts')).gradual,
  },
  {
    name: 'export',
    summary: 'the configuration as a document',
    heading: change,
    load: async () => (await import('./document/apply.ts')).exportCommand,
  },
  {
    name: 'history',
    summary: 'who changed what, when and why',
    heading: change,
    load: async () => (await import('./document/revisions.ts')).history,
  },
  {
    name: 'show',
    summary: 'what a revision changed',
    heading: change,
    load: async () => (await import('./document/revisions.ts')).show,
  },
  {
    name: 'diff',
    summary: 'what changed between two revisions',
    heading: change,
    load: async () => (await import('./document/revisions.ts')).diff,
  },
  {
    name: 'rollback',
    summary: 'return to a revision, by a new one',
    heading: change,
    load: async () => (await import('./document/revisions.ts')).rollback,
  },
  {
    name: 'check',
    summary: 'what is wrong with a document, without a server',
    heading: change,
    load: async () => (await import('./document/check.ts')).check,
  },
  {
    name: 'convert',
    summary: 'the configuration of another server as a document',
    heading: change,
    load: async () => (await import('./convert/command.ts')).convert,
  },
  {
    name: 'import-zone',
    summary: 'make a zone what a master file says',
    heading: zones,
    load: async () => (await import('./import-zone.ts')).importZoneCommand,
  },
  {
    name: 'import-zones',
    summary: 'the same for a folder of master files that are named for their zones',
    heading: zones,
    load: async () => (await import('./import-zones.ts')).importZonesCommand,
  },
  {
    name: 'export-zone',
    summary: 'a zone as a master file',
    heading: zones,
    load: async () => (await import('./export-zone.ts')).exportZoneCommand,
  },
  {
    name: 'dnssec',
    summary: 'signed zones: enable, disable, status, roll, ds, import-key, export-key',
    heading: zones,
    load: async () => (await import('./dnssec.ts')).dnssec,
  },
  {
    name: 'login',
    summary: 'write down which server the commands go by, and its token',
    heading: access,
    load: async () => (await import('./login.ts')).login,
  },
  {
    name: 'logout',
    summary: 'forget that',
    heading: access,
    load: async () => (await import('./login.ts')).logout,
  },
  {
    name: 'token',
    summary: 'tokens for others: create, list, revoke',
    heading: access,
    load: async () => (await import('./token.ts')).token,
  },
  {
    name: 'completion',
    summary: 'a script by which bash, zsh or fish complete commands',
    heading: shell,
    load: async () => (await import('./completion.ts')).completionOf(allCommands),
  },
  {
    name: 'man',
    summary: 'the manual page',
    heading: shell,
    load: async () => (await import('./man.ts')).manOf(allCommands),
  },
]
