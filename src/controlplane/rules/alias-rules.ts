/**
 * Why a CNAME in a pool's place (`hosts: cname`) is refused, in the words of the document's checks and of the store's. A
 * CNAME stands alone at its name (RFC 1034 section 3.6.2): no address beside it, no other data, and so never at an
 * apex.
 */

export const addressInCnamePool =
  'is an address, and a pool with hosts: cname has only members with a host, since nothing stands beside a CNAME'

export const aliasAtApex = (pool: string, apex: string) =>
  `pool ${pool} answers with a CNAME (hosts: cname), which can't stand at the apex of zone ${apex} beside its SOA and ` +
  'NS; a pool with hosts: resolve can'

export const aliasBesideData = (pool: string, apex: string, type: string) =>
  `pool ${pool} answers with a CNAME (hosts: cname), which can't stand beside the ${type} that zone ${apex} has at the ` +
  'same name'
