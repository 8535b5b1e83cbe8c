/** What history and audit log keep of a zone that was written: what was, and what is, each so that it can be put back. */
import type { Body } from '../document/forms.ts'
import { formatRrset } from '../document/zone.ts'
import { rrsetHistoryKey } from './history.ts'
import type { Replacement } from './rrset-replacement.ts'
import type { Write } from './transaction.ts'

/** An entry for the zone, and one for each RRset that is another now, as far as they are few. What stands in either can be PUT. */
export function auditZone(
  write: Write,
  action: string,
  apex: string,
  former: Body | null,
  head: Body,
  serial: number,
  { changed, put, deleted, few }: Replacement,
): void {
  // A new zone's are all new.
  for (const { before, after } of former === null ? [] : few) {
    const { owner, type } = (before ?? after)!
    const [was, is] = [before && formatRrset(before), after && formatRrset(after)]
    write.audit(after === null ? 'rrset.delete' : 'rrset.put', `${apex}/${owner}/${type}`, was, is)
  }
  write.audit(action, apex, former, { ...head, status: { serial, rrsets: { changed, put, deleted } } })
}

export function keepRrsets(write: Write, apex: string, former: Replacement['former']): void {
  if (former === null) write.keepNothing('zone', apex)
  else if (former !== 'written') {
    for (const { owner, type, before } of former) {
      write.keep('rrset', rrsetHistoryKey(apex, owner, type), before === null ? null : formatRrset(before))
    }
  }
}
