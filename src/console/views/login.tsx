import { useRef, useState } from 'preact/hooks'
import { signIn, wordsOf } from '../api.ts'

/** @param why somebody is asked for a token again */
export function Login({ why }: { readonly why: string }) {
  const [trouble, setTrouble] = useState('')
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
        <button type="submit" class="primary" disabled={isBusy}>
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
