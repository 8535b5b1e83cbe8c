import { useRef, useState } from 'preact/hooks'
import type { SignInFailure } from '../../controlplane/api/console/sign-in.ts'
import { openid, signIn, wordsOf } from '../api.ts'

/** What the server says in the address of the page when it has signed nobody in. */
const failures: Readonly<Record<SignInFailure, string>> = {
  denied: 'You were not signed in: your provider refused.',
  provider: 'You were not signed in: something is wrong with the provider. The log of the server says what.',
  stale: 'You were not signed in: it took too long, or was begun in another window. Try again.',
  rights: 'You were not signed in: none of your groups may do anything here. Ask whoever runs this server.',
}

/** Read once; the address is cleaned, so that it can be copied and opened again. */
function takeFailure(): string {
  const reason = new URLSearchParams(location.search).get('sign-in')
  if (reason === null) return ''
  history.replaceState(null, '', location.pathname + location.hash)
  return failures[reason as SignInFailure] ?? failures.provider
}
const failureAtStart = takeFailure()

/** @param why somebody is asked for a token again */
export function Login({ why }: { readonly why: string }) {
  const [trouble, setTrouble] = useState('')
  const provider = openid.value
  const [isBusy, setBusy] = useState(false)
  const field = useRef<HTMLInputElement>(null)
  const submit = async (event: Event) => {
    event.preventDefault()
    const token = field.current!.value.trim()
    if (token === '') {
      setTrouble('Give a token.')
      field.current!.focus()
      return
    }
    setBusy(true)
    try {
      await signIn(token)
    } catch (error) {
      setTrouble(wordsOf(error))
      setBusy(false)
      field.current!.focus()
    }
  }
  return (
    <main class="login">
      <h1>
        pool<b>dns</b> console
      </h1>
      {why === '' ? null : <p role="status">{why}</p>}
      {why !== '' || failureAtStart === '' ? null : (
        <p class="error" role="alert">
          {failureAtStart}
        </p>
      )}
      {provider === null ? null : (
        <>
          <a class="button primary" href={provider.url}>
            Sign in with {provider.title}
          </a>
          <p class="or">or with a token</p>
        </>
      )}
      <form onSubmit={submit} noValidate>
        <label for="token">Token</label>
        <input
          id="token"
          ref={field}
          type="password"
          autocomplete="current-password"
          autofocus
          spellcheck={false}
          aria-invalid={trouble !== ''}
          aria-describedby="token-help token-trouble"
        />
        <p id="token-trouble" class="error" role="alert">
          {trouble}
        </p>
        <button type="submit" class={provider === null ? 'primary' : ''} disabled={isBusy}>
          {isBusy ? 'Signing in…' : 'Sign in'}
        </button>
        <p id="token-help" class="help">
          The admin token is in the file <code>admin-token</code> of the data directory; others come from{' '}
          <code>pooldns token create</code>. It is kept in a cookie that no script can read.
        </p>
      </form>
    </main>
  )
}
