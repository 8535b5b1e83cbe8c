/** How a zone is signed, in the document: `dnssec: { enabled: true, algorithm: 13, denial: nsec3 }`. */
import Type from 'typebox'
import {
  type Denial,
  denials,
  type SigningAlgorithm,
  signingAlgorithms,
  signingOf,
  type ZoneSigning,
} from '../model/dnssec.ts'
import { Plain, TrueOrFalse } from './fields.ts'
import { type Form, fieldsOf, record } from './forms.ts'

const Algorithm: Form<SigningAlgorithm> = Plain(
  Type.Union(
    signingAlgorithms.map((number) => Type.Literal(number)),
    { description: '13 (ECDSA P-256) or 15 (Ed25519)' },
  ),
)

const DenialForm: Form<Denial> = Plain(
  Type.Union(
    denials.map((denial) => Type.Literal(denial)),
    { description: 'nsec, or nsec3, which hides the names of the zone' },
  ),
)

interface Written extends Omit<ZoneSigning, 'denial'> {
  readonly enabled: boolean
  readonly denial: Denial
}

const signing = fieldsOf<Written>()
const written = record(
  {
    enabled: signing.shown('enabled', TrueOrFalse, true),
    algorithm: signing.shown('algorithm', Algorithm, 13),
    denial: signing.optional('denial', DenialForm, 'nsec'),
  },
  { title: 'Dnssec', description: 'an object with enabled, algorithm and denial' },
)

/** `enabled: false` is the same as nothing. */
export const SigningForm: Form<ZoneSigning | null> = {
  schema: written.schema,
  parse: (input, path, problems) => {
    const found = written.parse(input, path, problems)
    if (found === undefined) return undefined
    if (!found.enabled) return null
    return signingOf(found.algorithm, found.denial)
  },
  format: (value, whole) =>
    value === null ? { enabled: false } : written.format({ enabled: true, denial: 'nsec', ...value }, whole),
}
