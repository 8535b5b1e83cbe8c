/** What the thread of the embedded database is at, as it says in shared memory: in a statement it gives no signs of life. */
export const statementStates = {
  none: 0,
  running: 1,
  /** In one, or at a start, and waits for the disk. */
  syncing: 2,
} as const
