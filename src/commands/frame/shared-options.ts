/** Options that mean the same in every command that has them. */

export const jsonOption = {
  json: { type: 'boolean', summary: 'JSON, for programs' },
} as const

export const dataDirOption = {
  dataDir: {
    type: 'string',
    value: 'DIR',
    summary: 'data directory of the server (POOLDNS_DATA_DIR, by default ./data)',
    completes: 'folder',
  },
} as const
