/** What can be read. */
import type { Example } from './example.ts'

const apex = 'example.test'
const domain = `ns1.${apex}`
const page = { limit: 2 }

export const looking: readonly Example[] = [
  { of: 'getAbout', status: 200 },
  { of: 'getHealth', status: 200 },
  { of: 'getReadiness', status: 200 },
  { of: 'getMetrics', status: 200 },
  { of: 'getOpenapi', status: 200 },
  { of: 'getOverview', status: 200 },
  { of: 'listNodes', status: 200 },
  { of: 'explain', parameters: { name: `www.${apex}`, type: 'A', client: '203.0.113.7' }, status: 200 },
  { of: 'getConfig', parameters: { rrsets: false }, status: 200 },
  { of: 'getZone', parameters: { apex }, status: 200 },
  { of: 'listZones', parameters: page, status: 200 },
  { of: 'exportZone', parameters: { apex: 'example.net' }, status: 200 },
  { of: 'getRRset', parameters: { apex, owner: '@', type: 'MX' }, status: 200 },
  { of: 'listRRsets', parameters: { apex, ...page }, status: 200 },
  { of: 'getMonitor', parameters: { name: 'web' }, status: 200 },
  { of: 'listMonitors', parameters: page, status: 200 },
  { of: 'getPool', parameters: { name: 'eu' }, status: 200 },
  { of: 'listPools', parameters: page, status: 200 },
  { of: 'getMember', parameters: { name: 'eu', member: 'fra1' }, status: 200 },
  { of: 'getService', parameters: { name: `www.${apex}` }, status: 200 },
  { of: 'listServices', parameters: page, status: 200 },
  { of: 'listRevisions', parameters: page, status: 200 },
  { of: 'getRevision', parameters: { revision: 10 }, status: 200 },
  { of: 'diffRevisions', parameters: { revision: 10, to: 11 }, status: 200 },
  {
    of: 'listEvents',
    parameters: { kind: 'gradual', since: '2026-01-01T00:00:00.000Z', ...page },
    status: 200,
  },
  { of: 'streamEvents', parameters: { kind: 'member', after: 0 }, status: 200 },
  { of: 'listAudit', parameters: page, status: 200 },
  { of: 'getWebhook', parameters: { name: 'on-call' }, status: 200 },
  { of: 'listWebhooks', parameters: page, status: 200 },
  { of: 'listTokens', parameters: page, status: 200 },
  { of: 'lookup', parameters: { domain }, status: 200 },
  { of: 'lookupByBody', body: { domain }, status: 200 },
  { of: 'validate', parameters: { ip: '192.0.2.1' }, status: 200 },
  { of: 'validateByBody', body: { ip: '192.0.2.01' }, status: 200 },
  { of: 'listLookups', status: 200 },
  { of: 'lookupUnversioned', parameters: { domain }, status: 200 },
  { of: 'lookupByBodyUnversioned', body: { domain }, status: 200 },
  { of: 'validateUnversioned', parameters: { ip: '192.0.2.1' }, status: 200 },
  { of: 'validateByBodyUnversioned', body: { ip: '192.0.2.01' }, status: 200 },
  { of: 'listLookupsUnversioned', status: 200 },
]
