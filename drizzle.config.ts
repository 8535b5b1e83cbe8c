import { defineConfig } from 'drizzle-kit'

/** `npx drizzle-kit generate` compares `schema/` with the last snapshot in `drizzle/` and writes the next migration. */
export default defineConfig({ dialect: 'postgresql', schema: './schema/*.ts', out: './drizzle' })
