/**
 * What every route shows and changes, decided here once more and by hand: a route that is new fails the tests until somebody has
 * thought of what a token with limits may do by it.
 */

/** `zone` and its like: the thing that the URL names; `within`: what is shown depends on who asks; the others: the server as a whole. */
export type Need =
  | 'open'
  | 'admin'
  | 'everything'
  | 'within'
  | 'zone'
  | 'pool'
  | 'service'
  | 'monitor'
  | 'feed'

export const routeRights: Readonly<Record<string, Need>> = {
  'GET /': 'open',
  'GET /health': 'open',
  'GET /ready': 'open',
  'GET /openapi.json': 'open',
  // Here the configuration demands a token for these.
  'GET /metrics': 'everything',
  'GET /history': 'everything',
  'GET /tools/lookup': 'everything',
  'POST /tools/lookup': 'everything',
  'GET /tools/validate': 'everything',
  'POST /tools/validate': 'everything',
  'GET /v1/history': 'everything',
  'GET /v1/tools/lookup': 'everything',
  'POST /v1/tools/lookup': 'everything',
  'GET /v1/tools/validate': 'everything',
  'POST /v1/tools/validate': 'everything',

  'GET /v1/session': 'within',
  'POST /v1/session': 'within',
  'DELETE /v1/session': 'open',
  'GET /v1/sign-in': 'open',
  'GET /v1/traffic': 'everything',
  'GET /v1/services/:name/shares': 'service',
  'POST /v1/overrides/preview': 'within',

  'GET /v1/tokens': 'admin',
  'POST /v1/tokens': 'admin',
  'DELETE /v1/tokens/:name': 'admin',
  'POST /v1/database/accept-empty': 'admin',
  'POST /v1/zones/:apex/dnssec/import-key': 'admin',
  'POST /v1/zones/:apex/dnssec/export-key': 'admin',

  'GET /v1/nodes': 'everything',
  'DELETE /v1/nodes/:id': 'everything',
  'GET /v1/webhooks': 'everything',
  'GET /v1/webhooks/:name': 'everything',
  'PUT /v1/webhooks/:name': 'everything',
  'PATCH /v1/webhooks/:name': 'everything',
  'DELETE /v1/webhooks/:name': 'everything',
  'POST /v1/webhooks/:name/test': 'everything',

  // Each may move parts that belong to many.
  'GET /v1/gradual-changes': 'everything',
  'GET /v1/gradual-changes/:id': 'everything',
  'POST /v1/gradual-changes/:id/pause': 'everything',
  'POST /v1/gradual-changes/:id/resume': 'everything',
  'POST /v1/gradual-changes/:id/finish': 'everything',
  'POST /v1/gradual-changes/:id/go-back': 'everything',

  'GET /v1/overview': 'within',
  'GET /v1/explain': 'within',
  'GET /v1/events': 'within',
  'GET /v1/events/stream': 'within',
  'GET /v1/audit': 'within',
  'GET /v1/config': 'within',
  'PUT /v1/config': 'within',
  'POST /v1/plan': 'within',
  'GET /v1/revisions': 'within',
  'GET /v1/revisions/:revision': 'within',
  'GET /v1/revisions/:revision/diff': 'within',
  'POST /v1/revisions/:revision/rollback': 'within',
  'GET /v1/overrides': 'within',
  'POST /v1/reports': 'within',
  'GET /v1/zones': 'within',
  'GET /v1/pools': 'within',
  'GET /v1/services': 'within',
  'GET /v1/feeds': 'within',
  'GET /v1/monitors': 'within',

  'GET /v1/zones/:apex': 'zone',
  'PUT /v1/zones/:apex': 'zone',
  'DELETE /v1/zones/:apex': 'zone',
  'GET /v1/zones/:apex/dnssec': 'zone',
  'POST /v1/zones/:apex/dnssec/roll': 'zone',
  'POST /v1/zones/:apex/dnssec/cancel-roll': 'zone',
  'POST /v1/zones/:apex/dnssec/ds-seen': 'zone',
  'PUT /v1/zones/:apex/dnssec': 'zone',
  'PATCH /v1/zones/:apex/dnssec': 'zone',
  'DELETE /v1/zones/:apex/dnssec': 'zone',
  'GET /v1/zones/:apex/rrsets': 'zone',
  'GET /v1/zones/:apex/rrsets/:owner/:type': 'zone',
  'PUT /v1/zones/:apex/rrsets/:owner/:type': 'zone',
  'DELETE /v1/zones/:apex/rrsets/:owner/:type': 'zone',
  'GET /v1/zones/:apex/zonefile': 'zone',
  'PUT /v1/zones/:apex/zonefile': 'zone',

  'GET /:name': 'feed',
  'GET /v1/feeds/:name': 'feed',
  'GET /v1/feeds/:name/declaration': 'feed',
  'POST /v1/feeds/:name/rows': 'feed',
  'PUT /v1/feeds/:name': 'feed',
  'PATCH /v1/feeds/:name': 'feed',
  'DELETE /v1/feeds/:name': 'feed',
  'GET /v1/monitors/:name': 'monitor',
  'PUT /v1/monitors/:name': 'monitor',
  'PATCH /v1/monitors/:name': 'monitor',
  'DELETE /v1/monitors/:name': 'monitor',

  'GET /v1/pools/:name': 'pool',
  'PUT /v1/pools/:name': 'pool',
  'PATCH /v1/pools/:name': 'pool',
  'DELETE /v1/pools/:name': 'pool',
  'GET /v1/pools/:name/members/:member': 'pool',
  'PUT /v1/pools/:name/members/:member': 'pool',
  'PATCH /v1/pools/:name/members/:member': 'pool',
  'DELETE /v1/pools/:name/members/:member': 'pool',
  'POST /v1/pools/:name/members/:member/fail-back': 'pool',
  'PUT /v1/pools/:name/members/:member/report': 'pool',
  'GET /v1/pools/:name/members/:member/override': 'pool',
  'PUT /v1/pools/:name/members/:member/override': 'pool',
  'DELETE /v1/pools/:name/members/:member/override': 'pool',
  'GET /v1/pools/:name/override': 'pool',
  'PUT /v1/pools/:name/override': 'pool',
  'DELETE /v1/pools/:name/override': 'pool',
  'GET /v1/overrides/:pool/:member': 'pool',
  'PUT /v1/overrides/:pool/:member': 'pool',
  'DELETE /v1/overrides/:pool/:member': 'pool',

  'GET /v1/services/:name': 'service',
  'PUT /v1/services/:name': 'service',
  'PATCH /v1/services/:name': 'service',
  'DELETE /v1/services/:name': 'service',
  'GET /v1/services/:name/override': 'service',
  'PUT /v1/services/:name/override': 'service',
  'DELETE /v1/services/:name/override': 'service',
}

/** A path to something, of those that are named `mine`, `mallory` or `absent`. */
export function pathTo(url: string, whose: 'mine' | 'mallory' | 'absent'): string {
  const kind = url.split('/')[2]
  if (kind === 'feeds') return url.replace(':name', `${whose}_feed`)
  const name = kind === 'services' ? `www.${whose}.test` : `${whose}-${kind?.replace(/s$/, '')}`
  return url
    .replace(':apex', `${whose}.test`)
    .replace(':owner', 'ns1')
    .replace(':type', 'A')
    .replace(':pool', `${whose}-pool`)
    .replace(':member', `${whose}-member`)
    .replace(':revision', '1')
    .replace(':id', '1')
    .replace(':name', name)
}
