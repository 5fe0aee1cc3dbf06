import { parseArgs } from 'node:util'
import { droppedHandlers, handlersInUse } from '../../src/engine/ledger/handlers-in-use.ts'
import { registry } from '../../src/workflows/registry.ts'
import { databaseUrl } from './cli/options.ts'
import { runProgram } from './cli/program.ts'
import { showDatabase } from './postgres-url.ts'
import { withDatabase } from './seed/seed-database.ts'

const usage = `Checks that this deployment has every handler which items in the database at DATABASE_URL began with.

Usage: node test/local/check-handlers.ts

  --help   show this text`

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } })
  if (values.help === true) {
    console.log(usage)
    return 0
  }
  const url = databaseUrl()
  const inUse = await withDatabase(url, handlersInUse)
  const dropped = droppedHandlers(inUse, registry)
  for (const { workflow, handler, unfinished, retryable } of dropped) {
    const version = `version ${handler} of its handler, which is not here`
    if (unfinished > 0) console.error(`${unfinished} unfinished item(s) of ${workflow} need ${version}`)
    if (retryable > 0)
      console.error(
        `warning: ${retryable} failed item(s) of ${workflow} can be tried again only with ${version}`,
      )
  }
  if (dropped.some(({ unfinished }) => unfinished > 0)) return 1
  console.log(`${showDatabase(url)}: every handler is here that an unfinished item needs`)
  return 0
}

await runProgram({ usage, main })
