/** What is done to a configuration that is there: changes, words of operators, reports. */
import type { Example } from './example.ts'

const apex = 'example.test'
const document = {
  services: {
    [`api.${apex}`]: {
      ttl: { min: 5, max: 60 },
      steer: 'weighted',
      pools: [
        { pool: 'eu', weight: 50 },
        { pool: 'us', weight: 50 },
      ],
    },
  },
}

const changes: readonly Example[] = [
  {
    of: 'putRows',
    parameters: { name: 'air_quality' },
    body: [
      {
        time_instant: '2026-01-01T00:00:00Z',
        id_entity: 'aq_salvia',
        so2: 6.80117094260474,
        no2: 48.398337879833704,
      },
      { time_instant: '2026-01-01T01:00:00+01:00', id_entity: 'aq_rosa', so2: null, visitors: 12 },
    ],
    status: 200,
  },
  {
    of: 'patchDnssec',
    parameters: { apex: 'example.net' },
    body: { algorithm: 13 },
    status: 200,
  },
  {
    of: 'rollDnssec',
    summary: 'To be signed no more, once the parent has taken its DS away',
    parameters: { apex: 'example.net' },
    body: { unsigned: true },
    status: 200,
  },
  { of: 'confirmDnssecDs', parameters: { apex: 'example.net' }, status: 200 },
  { of: 'cancelDnssecRoll', parameters: { apex: 'example.net' }, status: 200 },
  {
    of: 'patchFeed',
    summary: 'Answers that may be a minute old',
    parameters: { name: 'air_quality' },
    body: { cache: '1m' },
    status: 200,
  },
  {
    of: 'patchMonitor',
    summary: 'Ask less often',
    parameters: { name: 'web' },
    body: { interval: '20s' },
    status: 200,
  },
  {
    of: 'patchPool',
    summary: 'Two members are enough',
    parameters: { name: 'eu' },
    body: { minUp: { members: 2 } },
    status: 200,
  },
  {
    of: 'patchMember',
    summary: 'Half of the load',
    parameters: { name: 'eu', member: 'fra3' },
    body: { weight: 50 },
    status: 200,
  },
  {
    of: 'patchService',
    summary: 'Let caches have it for a minute',
    parameters: { name: `www.${apex}` },
    body: { ttl: '1m' },
    status: 200,
  },
]

const documents: readonly Example[] = [
  {
    of: 'applyConfig',
    summary: 'What a document would change',
    parameters: { dryRun: true },
    body: document,
    status: 200,
  },
  {
    of: 'applyConfig',
    name: 'apply',
    summary: 'A document, with why',
    parameters: { message: 'checkout in both regions' },
    body: {
      pools: { checkout: { monitor: 'always', members: { fra1: { address: '192.0.2.11' } } } },
      services: { [`checkout.${apex}`]: { pools: ['checkout', 'us'] } },
    },
    status: 200,
  },
  {
    of: 'applyConfig',
    name: 'gradual',
    summary: 'In steps, over an hour',
    parameters: { gradual: '1h', steps: '5,25,50,100', haltWhen: 'down' },
    body: document,
    status: 200,
  },
]

const parts: readonly Example[] = [
  {
    of: 'planPart',
    summary: 'What another member would change',
    body: {
      kind: 'pool',
      name: 'us',
      body: { monitor: 'web', members: { nyc1: { address: '198.51.100.10' } } },
    },
    status: 200,
  },
  {
    of: 'planPart',
    name: 'rrset',
    summary: 'What the loss of an RRset would change',
    body: { kind: 'rrset', name: apex, owner: '_dmarc', type: 'TXT', body: null },
    status: 200,
  },
]

const gradual: readonly Example[] = [
  { of: 'listGradualChanges', parameters: { limit: 10 }, status: 200 },
  { of: 'getGradualChange', parameters: { id: 1 }, status: 200 },
  { of: 'pauseGradualChange', parameters: { id: 1, message: 'lunch' }, status: 200 },
  { of: 'resumeGradualChange', parameters: { id: 1 }, status: 200 },
  { of: 'takeGradualChangeBack', parameters: { id: 1, message: 'latency rises' }, status: 200 },
  {
    of: 'applyConfig',
    name: 'again',
    summary: 'Other steps, and another condition that takes it back',
    parameters: { gradual: '10m', steps: '50,100', haltWhen: 'down,member-down' },
    body: document,
    status: 200,
  },
  { of: 'finishGradualChange', parameters: { id: 2 }, status: 200 },
]

const drain = { state: 'drain', until: '2099-01-01T00:00:00.000Z', reason: 'new kernel' }
const member = { name: 'eu', member: 'fra1' }
const pattern = { pool: 'e*', member: 'fra*' }
const words: readonly Example[] = [
  {
    of: 'previewOverrides',
    summary: 'If a member were drained',
    body: { overrides: [{ pool: 'eu', member: 'fra1', state: 'drain' }] },
    status: 200,
  },
  { of: 'putMemberOverride', summary: 'A drain until then', parameters: member, body: drain, status: 201 },
  { of: 'getMemberOverride', parameters: member, status: 200 },
  {
    of: 'putPoolOverride',
    summary: 'Every member counts as up',
    parameters: { name: 'us' },
    body: { state: 'up', until: null, reason: 'the monitor is wrong' },
    status: 201,
  },
  { of: 'getPoolOverride', parameters: { name: 'us' }, status: 200 },
  { of: 'putOverride', summary: 'A drain by patterns', parameters: pattern, body: drain, status: 201 },
  { of: 'getOverride', parameters: pattern, status: 200 },
  {
    of: 'putServiceOverride',
    summary: 'Down, where others name it',
    parameters: { name: `www.${apex}` },
    body: { state: 'down', reason: 'release' },
    status: 201,
  },
  { of: 'getServiceOverride', parameters: { name: `www.${apex}` }, status: 200 },
  { of: 'listOverrides', status: 200 },
  { of: 'deleteMemberOverride', parameters: member, status: 204 },
  { of: 'deletePoolOverride', parameters: { name: 'us' }, status: 204 },
  { of: 'deleteOverride', parameters: pattern, status: 204 },
  { of: 'deleteServiceOverride', parameters: { name: `www.${apex}` }, status: 204 },
]

const reports: readonly Example[] = [
  {
    of: 'reportMember',
    summary: 'Up, with half of its weight',
    parameters: { name: 'workers', member: 'w1' },
    body: { state: 'up', reason: 'queue is short', weight: 50 },
    status: 200,
  },
  {
    of: 'reportMembers',
    summary: 'Several at once',
    body: { reports: [{ pool: 'workers', member: 'w1', state: 'down', ttl: '2m' }] },
    status: 200,
  },
]

const others: readonly Example[] = [
  {
    of: 'putWebhook',
    summary: 'Told of certificates that end; the secret is made here',
    parameters: { name: 'on-call' },
    body: { url: 'https://hooks.example.test/pooldns', kinds: ['certificate'] },
    status: 201,
  },
  {
    of: 'patchWebhook',
    summary: 'Of some pools alone',
    parameters: { name: 'on-call' },
    body: { pools: ['eu', 'us'] },
    status: 200,
  },
  {
    of: 'testWebhook',
    summary: 'Whether it arrives',
    parameters: { name: 'on-call' },
    status: 200,
  },
  {
    of: 'createToken',
    summary: 'For one zone, and what is below it',
    body: {
      name: 'deploys',
      scopes: ['read', 'write'],
      limits: { zones: [apex, `*.${apex}`] },
      expiresAt: '2099-01-01T00:00:00.000Z',
      description: 'pipeline of the shop',
    },
    status: 201,
  },
  { of: 'beginSession', summary: 'A token for the console', status: 200 },
  { of: 'endSession', status: 204 },
  {
    of: 'rollBack',
    summary: 'What returning to a revision would change',
    parameters: { revision: 10, dryRun: true },
    status: 200,
  },
]

export const operating: readonly Example[] = [
  ...changes,
  ...parts,
  ...documents,
  ...gradual,
  ...words,
  ...reports,
  ...others,
]
