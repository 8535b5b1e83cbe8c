#!/usr/bin/env node
/** Where it begins. What comes of the words is in `commands/dispatch.ts`. */
// Before anything else.
import './umask.ts'
import './node-version.ts'

const { dispatch } = await import('./commands/dispatch.ts')
await dispatch(process.argv.slice(2))
