/** How a zone is signed, in the document: `dnssec: { enabled: true, algorithm: 13 }`. */
import Type from 'typebox'
import { type SigningAlgorithm, signingAlgorithms, type ZoneSigning } from '../model/dnssec.ts'
import { Plain, TrueOrFalse } from './fields.ts'
import { type Form, fieldsOf, record } from './forms.ts'

const Algorithm: Form<SigningAlgorithm> = Plain(
  Type.Union(
    signingAlgorithms.map((number) => Type.Literal(number)),
    { description: '13 (ECDSA P-256) or 15 (Ed25519)' },
  ),
)

interface Written extends ZoneSigning {
  readonly enabled: boolean
}

const signing = fieldsOf<Written>()
const written = record(
  {
    enabled: signing.shown('enabled', TrueOrFalse, true),
    algorithm: signing.shown('algorithm', Algorithm, 13),
  },
  { title: 'Dnssec', description: 'an object with enabled and algorithm' },
)

/** `enabled: false` is the same as nothing. */
export const SigningForm: Form<ZoneSigning | null> = {
  schema: written.schema,
  parse: (input, path, problems) => {
    const found = written.parse(input, path, problems)
    if (found === undefined) return undefined
    return found.enabled ? { algorithm: found.algorithm } : null
  },
  format: (value, whole) =>
    value === null ? { enabled: false } : written.format({ enabled: true, ...value }, whole),
}
