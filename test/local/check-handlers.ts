import { parseArgs } from 'node:util'
import { databaseUrl } from './cli/options.ts'
import { runProgram } from './cli/program.ts'
import { showDatabase } from './postgres-url.ts'
import { reportHandlers } from './report-handlers.ts'

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
  const { problems, warnings } = await reportHandlers(url)
  for (const problem of problems) console.error(problem)
  for (const warning of warnings) console.error(`warning: ${warning}`)
  if (problems.length > 0) return 1
  console.log(`${showDatabase(url)}: every handler is here that an unfinished item needs`)
  return 0
}

await runProgram({ usage, main })
