/** How all of it goes again. */
import type { Example } from './example.ts'

const apex = 'example.test'

export const removing: readonly Example[] = [
  { of: 'deleteService', parameters: { name: `shop.${apex}` }, status: 204 },
  { of: 'deleteMember', parameters: { name: 'eu', member: 'fra3' }, status: 204 },
  { of: 'deletePool', parameters: { name: 'workers' }, status: 204 },
  { of: 'deleteFeed', parameters: { name: 'load' }, status: 204 },
  { of: 'deleteMonitor', parameters: { name: 'web-or-shop' }, status: 204 },
  { of: 'deleteRRset', parameters: { apex, owner: '_dmarc', type: 'TXT' }, status: 204 },
  { of: 'deleteDnssec', parameters: { apex: 'example.net', force: true }, status: 204 },
  { of: 'deleteZone', parameters: { apex: 'example.net' }, status: 204 },
  { of: 'deleteWebhook', parameters: { name: 'on-call' }, status: 204 },
  { of: 'revokeToken', parameters: { name: 'deploys' }, status: 204 },
]
