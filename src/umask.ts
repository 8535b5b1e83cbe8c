/**
 * What this process makes is for its user alone, whoever of its parts makes it. `main.ts` imports this file before all others, so
 * that nothing is made before. Threads share the mask.
 */

/** The mask that the process was started with, for what its user asks to have written. */
export const umaskOfUser = process.umask(0o077)
