// Runs test files one after the other in this process. What a file needs before its first test, Node and tap and what it tests, takes
// more CPU than most files' tests do, so those that start nothing share it. Which files these are, POOLDNS_TEST_BATCH says: tap would
// name folders by arguments, and names have an end.
for (const file of process.env.POOLDNS_TEST_BATCH.split('\n')) {
  await import(new URL(`../${file}`, import.meta.url))
}
