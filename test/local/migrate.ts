import { parseArgs } from 'node:util'
import { databaseUrl } from './cli/options.ts'
import { runProgram } from './cli/program.ts'
import { showDatabase } from './postgres-url.ts'
import { migrateDatabase } from './migrate-database.ts'

const usage = `Brings the schema of the database at DATABASE_URL up to date.

Usage: npm run db:migrate

  --help   show this text`

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } })
  if (values.help === true) {
    console.log(usage)
    return 0
  }
  const url = databaseUrl()
  const applied = await migrateDatabase(url)
  const done = applied.length === 0 ? 'is up to date' : `migrated: ${applied.join(', ')}`
  console.log(`${showDatabase(url)} ${done}`)
  return 0
}

await runProgram({ usage, main })
