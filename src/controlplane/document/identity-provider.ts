/** The file that says who signs people in to the console, as YAML or JSON; see `model/identity-provider.ts`. */
import type { Problem } from '../model/errors.ts'
import type { GroupRights, IdentityProvider } from '../model/identity-provider.ts'
import { Text } from './fields.ts'
import { fieldsOf, list, type RecordForm, record } from './forms.ts'
import { Limited, Scopes } from './token.ts'

/** Bounds what signing in costs: each group is held against those of a person. */
const mostGroups = 100
const longestText = 200

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host)
}

/** Without TLS only what stays on this host: codes and secrets go there. */
function parseUrl(text: string): URL | null {
  const url = text.length <= 2048 && /^https?:\/\/[\x21-\x7e]+$/.test(text) ? URL.parse(text) : null
  if (url === null || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    return null
  return url.protocol === 'https:' || isLoopback(url.hostname) ? url : null
}

const ofLoopback = 'http is for loopback addresses alone'
const Issuer = Text(
  `an https URL without user, query and fragment; ${ofLoopback}`,
  (text) => parseUrl(text) !== null,
)
const Origin = Text(
  `where browsers reach this server, such as https://dns.example, without a path; ${ofLoopback}`,
  (text) => parseUrl(text)?.origin === text,
)
const Word = Text(
  `1 to ${longestText} characters, none of them a control character`,
  (text) => text.length >= 1 && text.length <= longestText && !/\p{Cc}/u.test(text),
)
// RFC 6749 section 3.3.
const Scope = Text('a scope of OAuth, such as profile', (text) =>
  /^[\x21\x23-\x5b\x5d-\x7e]{1,100}$/.test(text),
)

const right = fieldsOf<GroupRights>()
const Rights: RecordForm<GroupRights> = record(
  {
    group: right.required('group', Word),
    scopes: right.optional('scopes', Scopes, ['read']),
    limits: right.optional('limits', Limited, null),
  },
  { description: 'an object with group, scopes and limits' },
)

type Written = Omit<IdentityProvider, 'clientSecret'>
const field = fieldsOf<Written>()
export const identityProviderForm: RecordForm<Written> = record(
  {
    issuer: field.required('issuer', Issuer),
    clientId: field.required('clientId', Word),
    title: field.optional('title', Word, 'single sign-on'),
    origin: field.required('origin', Origin),
    scopes: field.optional('scopes', list(Scope, { maxItems: 20 }), ['profile', 'email']),
    nameClaim: field.optional('nameClaim', Word, 'email'),
    groupsClaim: field.optional('groupsClaim', Word, 'groups'),
    groups: field.required('groups', list(Rights, { minItems: 1, maxItems: mostGroups })),
  },
  { description: 'an object with issuer, clientId, origin and groups' },
)

export function parseIdentityProvider(input: unknown, problems: Problem[]): Written | undefined {
  return identityProviderForm.parse(input, '', problems)
}
