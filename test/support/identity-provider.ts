/** A real OpenID Connect provider, `oidc-provider`, on a loopback address, where whoever comes is signed in at once. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Provider } from 'oidc-provider'
import { freePort } from './free-port.ts'

export interface IdentityProviderState {
  /** Who is at the browser, with what the provider knows of them; null for somebody whom it refuses. */
  person: ({ readonly sub: string } & Readonly<Record<string, unknown>>) | null
  /** Whether claims are told with the token, or only to who asks for them. */
  tells: 'in the token' | 'some in the token' | 'when asked'
  /** Answers every request by this instead of as it should. */
  broken: ((response: ServerResponse) => void) | null
  /** Requests that it has had, by their paths. */
  readonly asked: string[]
}

export interface StartedProvider extends AsyncDisposable {
  readonly issuer: string
  readonly state: IdentityProviderState
}

export async function startIdentityProvider(client: {
  readonly id: string
  /** Null for a client that has none. */
  readonly secret: string | null
  readonly redirectUri: string
  /** How it must show that it is who it is; the first when left out. */
  readonly method?: 'client_secret_basic' | 'client_secret_post'
}): Promise<StartedProvider> {
  const port = await freePort()
  const issuer = `http://127.0.0.1:${port}`
  const state: IdentityProviderState = { person: null, tells: 'in the token', broken: null, asked: [] }
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: client.id,
        redirect_uris: [client.redirectUri],
        ...(client.secret === null
          ? { token_endpoint_auth_method: 'none' }
          : {
              client_secret: client.secret,
              token_endpoint_auth_method: client.method ?? 'client_secret_basic',
            }),
      },
    ],
    ...(client.method === undefined ? {} : { clientAuthMethods: [client.method, 'none'] }),
    cookies: { keys: ['of the tests'] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: () => '/interaction' },
    claims: {
      openid: ['sub'],
      email: ['email', 'email_verified'],
      profile: ['preferred_username', 'realm_access'],
      groups: ['groups'],
    },
    scopes: ['openid', 'email', 'profile', 'groups'],
    findAccount: (_context: unknown, accountId: string) => ({
      accountId,
      claims: (use: string) => {
        if (use !== 'id_token' || state.tells === 'in the token') return { ...state.person }
        return { sub: accountId, ...(state.tells === 'when asked' ? {} : { realm_access: {} }) }
      },
    }),
    conformIdTokenClaims: false,
  })
  const callback = provider.callback()
  const server = createServer((request, response) => {
    state.asked.push(request.url!.split('?')[0]!)
    if (state.broken !== null) state.broken(response)
    else if (request.url === '/interaction') void interact(provider, state, request, response)
    else callback(request, response)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    issuer,
    state,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function interact(
  provider: Provider,
  { person }: IdentityProviderState,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { prompt, params } = await provider.interactionDetails(request, response)
  if (person === null) {
    await provider.interactionFinished(request, response, { error: 'access_denied' })
    return
  }
  if (prompt.name === 'login') {
    await provider.interactionFinished(request, response, { login: { accountId: person.sub } })
    return
  }
  const grant = new provider.Grant({ accountId: person.sub, clientId: params.client_id })
  grant.addOIDCScope(String(params.scope))
  await provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } })
}
