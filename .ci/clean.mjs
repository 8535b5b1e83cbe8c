// Takes away what an earlier build left, so that no file is packed whose source is gone.
import { rmSync } from 'node:fs'

for (const built of ['src', 'schema', 'console'])
  rmSync(new URL(`../dist/${built}`, import.meta.url), { recursive: true, force: true })
