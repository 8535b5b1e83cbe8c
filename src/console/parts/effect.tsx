/** What a change would do to answers, in sentences. */
import type { EffectReply } from '../../controlplane/api/operations/override-preview.ts'
import { list, percent, span } from '../format.ts'

const mostServices = 6

export function EffectText({ effect }: { readonly effect: EffectReply }) {
  const { services, leaving, moreServices, unseenServices } = effect
  const more = moreServices + Math.max(0, services.length - mostServices)
  if (services.length === 0 && leaving.length === 0) {
    return <p>No answer changes{unseenServices > 0 ? ', as far as was looked at' : ''}.</p>
  }
  return (
    <div class="effect">
      <ul>
        {services.slice(0, mostServices).map((each, nth) => (
          <li key={nth}>
            <strong>{each.service}</strong>
            {each.types.length === 1 ? ` (${each.types[0]})` : ''}
            {clientsText(each.clients)}: {moves(each)}
          </li>
        ))}
        {leaving.slice(0, mostServices).map(({ pool, member, address, safeAfterSeconds }) => (
          <li key={`${pool}/${member}/${address}`}>
            <strong>
              {pool}/{member}
              {address === undefined ? '' : ` ${address}`}
            </strong>{' '}
            is answered no more; safe to switch off {span(safeAfterSeconds * 1_000)} later.
          </li>
        ))}
      </ul>
      {more > 0 ? <p>And {more} more services.</p> : null}
      {unseenServices > 0 ? <p>{unseenServices} services were not looked at: there are too many.</p> : null}
    </div>
  )
}

type ServiceEffect = EffectReply['services'][number]

export function clientsText(clients: ServiceEffect['clients']): string {
  if (clients === undefined) return ''
  const { networks, moreNetworks, allBut } = clients
  const all =
    moreNetworks > 0
      ? [...networks.slice(0, 3), `${moreNetworks + networks.length - 3} more networks`]
      : networks
  return ` for clients ${allBut ? 'outside of' : 'in'} ${list(all)}`
}

function moves({ pools, members, moreMembers }: ServiceEffect): string {
  const move = (name: string, before: number, after: number) =>
    `${name} ${percent(before)} → ${percent(after)}`
  const texts = [
    ...pools.map(({ pool, before, after }) => move(pool, before, after)),
    ...members.map(({ pool, member, before, after }) => move(`${pool}/${member}`, before, after)),
  ]
  const answers = pools.reduce((sum, { before, after }) => sum + after - before, 0)
  if (pools.length > 0 && answers < -0.99) texts.push('nobody would be answered')
  if (moreMembers > 0) texts.push(`${moreMembers} more members`)
  return texts.join(', ')
}
