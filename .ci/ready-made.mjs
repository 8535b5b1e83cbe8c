// Makes the files of an empty embedded database, once for each version of it, so that no start has to: it takes some seconds. They
// lie in `dist`, or are made anew in the folder that is named. Each run makes the same octets, so that packages can be compared: the
// database takes its name for itself, its nonce and its times from a clock and a source of randomness that are the same each time.
// Nothing of that is a secret: all that install a package have the same files.
import crypto from 'node:crypto'
import { resolve } from 'node:path'
import { makeReadyMade } from '../src/controlplane/store/ready-made-database.ts'

// Some time in 2023; it goes on, for somebody may wait for that.
let milliseconds = 1_700_000_000_000
Date.now = () => ++milliseconds
performance.now = () => ++milliseconds
// From where the database has its randomness.
crypto.randomFillSync = (array) => array.fill(7)

const [folder] = process.argv.slice(2)
await makeReadyMade(folder === undefined ? undefined : resolve(folder))
