/** Where the console begins. */
import { render } from 'preact'
import { findSession } from './api.ts'
import { goLive } from './live.ts'
import { Shell } from './shell.tsx'

goLive()
void findSession()
const root = document.querySelector('#console')!
root.replaceChildren()
render(<Shell />, root)
