// Takes away what an earlier build left, so that no file is packed whose source is gone. The console is built whole or not at all, and
// somebody may serve it from there.
import { rmSync } from 'node:fs'

for (const built of ['src', 'schema'])
  rmSync(new URL(`../dist/${built}`, import.meta.url), { recursive: true, force: true })
