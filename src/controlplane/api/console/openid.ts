/**
 * Signing in by OpenID Connect Core 1.0: the authorization code flow, with PKCE (RFC 7636), state and nonce. What has to be remembered
 * between the two halves goes with the browser, sealed, so that nobody can fill this server's memory by beginning. That a token is the
 * provider's is known by the TLS of the connection that it is fetched on (section 3.1.3.7, rule 6).
 *
 * The library is loaded, and the provider asked for what it offers, when somebody signs in first; a server without a provider never does.
 */
import type { ClientAuth, Configuration } from 'openid-client'
import { type GroupRights, type IdentityProvider, rightsByGroups } from '../../model/identity-provider.ts'

/** What the second half needs of the first. */
export interface SignInFlow {
  readonly state: string
  readonly nonce: string
  readonly verifier: string
  /** Milliseconds since 1970. */
  readonly begunAt: number
}

export interface Person {
  /** As in the audit log. */
  readonly name: string
  /** Null when none of their groups may do anything. */
  readonly rights: GroupRights | null
}

/** Why nobody was signed in: `denied` is the provider's word on the person, `provider` a fault of it or of what was agreed with it. */
export class SignInError extends Error {
  override readonly name = 'SignInError'
  readonly reason: 'denied' | 'provider'

  constructor(reason: SignInError['reason'], cause: unknown) {
    super(wordsOf(cause), { cause })
    this.reason = reason
  }
}

type Library = typeof import('openid-client')

/** Seconds that the provider has for each of its replies. */
const patienceSeconds = 10
/** After so long it is asked again what it offers: endpoints move. */
const discoveredForMs = 3_600_000
/** Characters of a person's name. */
const longestName = 120

export const callbackPath = '/v1/session/openid/callback'

export class OpenidSignIn {
  readonly #provider: IdentityProvider
  readonly #now: () => Date
  #discovered: { readonly at: number; readonly configuration: Promise<Configuration> } | null = null

  constructor(provider: IdentityProvider, now: () => Date) {
    this.#provider = provider
    this.#now = now
  }

  /** Where the browser is to go. @throws SignInError */
  async begin(): Promise<{ readonly url: URL; readonly flow: SignInFlow }> {
    return inWords(async () => {
      const [library, configuration] = [await load(), await this.#configuration()]
      const flow = {
        state: library.randomState(),
        nonce: library.randomNonce(),
        verifier: library.randomPKCECodeVerifier(),
        begunAt: this.#now().getTime(),
      }
      const url = library.buildAuthorizationUrl(configuration, {
        redirect_uri: this.#callback().href,
        scope: [...new Set(['openid', ...this.#provider.scopes])].join(' '),
        state: flow.state,
        nonce: flow.nonce,
        code_challenge: await library.calculatePKCECodeChallenge(flow.verifier),
        code_challenge_method: 'S256',
      })
      return { url, flow }
    })
  }

  /**
   * Who has come back from the provider.
   *
   * @param query what it was given to say, as it stands in the URL, without `?`
   * @throws SignInError
   */
  async finish(query: string, flow: SignInFlow): Promise<Person> {
    return inWords(async () => {
      const [library, configuration] = [await load(), await this.#configuration()]
      const url = this.#callback()
      url.search = query
      const tokens = await library.authorizationCodeGrant(configuration, url, {
        expectedState: flow.state,
        expectedNonce: flow.nonce,
        pkceCodeVerifier: flow.verifier,
        idTokenExpected: true,
      })
      const claims = tokens.claims()!
      const { nameClaim, groupsClaim } = this.#provider
      // Many providers say little in the token, to keep it short.
      const isShort = [nameClaim, groupsClaim].some((name) => claimOf(claims, name) === undefined)
      const asks = isShort && configuration.serverMetadata().userinfo_endpoint !== undefined
      const more: Claims = asks
        ? await library.fetchUserInfo(configuration, tokens.access_token, claims.sub)
        : {}
      const told = (name: string) => claimOf(claims, name) ?? claimOf(more, name)
      // One that they have written themselves is no name.
      const isTheirs = nameClaim !== 'email' || told('email_verified') !== false
      return {
        name: (isTheirs ? nameIn(told(nameClaim)) : null) ?? nameIn(claims.sub) ?? 'somebody',
        rights: rightsByGroups(this.#provider, groupsIn(told(groupsClaim))),
      }
    })
  }

  #callback(): URL {
    return new URL(callbackPath, this.#provider.origin)
  }

  /** What the provider offers. One question at a time, and none while the last answer is fresh. */
  #configuration(): Promise<Configuration> {
    const now = this.#now().getTime()
    if (this.#discovered !== null && now - this.#discovered.at < discoveredForMs)
      return this.#discovered.configuration
    const discovered = { at: now, configuration: discover(this.#provider) }
    this.#discovered = discovered
    discovered.configuration.catch(() => {
      // The next who comes asks again.
      if (this.#discovered === discovered) this.#discovered = null
    })
    return discovered.configuration
  }
}

const load = (): Promise<Library> => import('openid-client')

async function discover({ issuer, clientId, clientSecret }: IdentityProvider): Promise<Configuration> {
  const library = await load()
  const url = new URL(issuer)
  return library.discovery(url, clientId, undefined, authenticationBy(library, clientSecret), {
    timeout: patienceSeconds,
    ...(url.protocol === 'http:' ? { execute: [library.allowInsecureRequests] } : {}),
  })
}

/** How this server shows who it is: as providers have it that do not say (OpenID Connect Discovery section 3), unless they take something else alone. */
function authenticationBy(library: Library, secret: string | null): ClientAuth {
  if (secret === null) return library.None()
  const [basic, post] = [library.ClientSecretBasic(secret), library.ClientSecretPost(secret)]
  return (server, ...rest) => {
    const taken = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
    const isPost = !taken.includes('client_secret_basic') && taken.includes('client_secret_post')
    return (isPost ? post : basic)(server, ...rest)
  }
}

async function inWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const isDenied = error instanceof Error && 'error' in error && error.error === 'access_denied'
    throw new SignInError(isDenied ? 'denied' : 'provider', error)
  }
}

/** With what the library found wrong, for the log: it knows no secrets. */
function wordsOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const { error, error_description: description } = cause as Error & Readonly<Record<string, unknown>>
  const deeper = cause.cause instanceof Error ? cause.cause.message : null
  const parts = [cause.message, error, description, deeper]
  return parts
    .filter((part) => typeof part === 'string' && part !== '')
    .join(': ')
    .slice(0, 500)
}

type Claims = Readonly<Record<string, unknown>>

/** By its name, or by the names on the way to it, as in `realm_access.roles`. */
function claimOf(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name]
  return name.split('.').reduce<unknown>((at, step) => {
    const isThere = typeof at === 'object' && at !== null && Object.hasOwn(at, step)
    return isThere ? (at as Claims)[step] : undefined
  }, claims)
}

/** One line without what a terminal or a page would do something with; null for none. */
function nameIn(claim: unknown): string | null {
  if (typeof claim !== 'string') return null
  const name = claim.replaceAll(/[\p{C}\p{Z}]+/gu, ' ').trim()
  return name === '' ? null : name.slice(0, longestName).toWellFormed()
}

function groupsIn(claim: unknown): ReadonlySet<string> {
  return new Set([claim].flat().filter((group) => typeof group === 'string'))
}
