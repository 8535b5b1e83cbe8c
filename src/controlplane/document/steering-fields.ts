/** What pools and services have in common: where they are, whose client is whose, and what they do when all is down. */
import type { ClientPrefix, Location, Pool } from '../model/pool.ts'
import { Fraction, Whole } from './fields.ts'
import { type Form, fieldsOf, type Report, record } from './forms.ts'

const degrees = (most: number) => Fraction(-most, most, `a number of degrees from -${most} to ${most}`)

const location = fieldsOf<Location>()
export const LocationForm: Form<Location> = record(
  {
    latitude: location.required('latitude', degrees(90)),
    longitude: location.required('longitude', degrees(180)),
  },
  { title: 'Location', description: 'an object with latitude and longitude' },
)

/** What networks are delegated to a site by: most clients that share them share a resolver too. */
export const defaultPrefix: ClientPrefix = { ipv4: 24, ipv6: 56 }

const prefix = fieldsOf<ClientPrefix>()
export const HashPrefix: Form<ClientPrefix> = record(
  {
    ipv4: prefix.optional('ipv4', Whole(1, 32), defaultPrefix.ipv4),
    ipv6: prefix.optional('ipv6', Whole(1, 128), defaultPrefix.ipv6),
  },
  { title: 'HashPrefix', description: 'an object with ipv4 and ipv6' },
)

type Fallback = Pick<Pool, 'whenAllDown' | 'fallback'>

/** Reports a fallback without the policy of that name, and the policy without a fallback, where both could be read. */
export function checkFallback({ whenAllDown, fallback }: Partial<Fallback>, report: Report): void {
  if (whenAllDown === undefined || fallback === undefined) return
  const wanted = whenAllDown === 'fallback'
  if (wanted && fallback === null) {
    report('is required when whenAllDown is fallback: the pool to serve then', 'fallback')
  } else if (!wanted && fallback !== null) {
    report('is only for whenAllDown: fallback', 'fallback')
  }
}
